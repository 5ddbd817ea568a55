/// Finds the correct spelling that is nearest to a wrong one.
package enum Spelling {
  /// The candidate with the fewest edits from `word`; nil where none is similar enough.
  package static func nearest(to word: String, among candidates: [String]) -> String? {
    // Longer texts are not names, and the time grows with the product of the lengths.
    let candidates = candidates.filter { $0.utf8.count <= maximumByteCount }
    guard word.utf8.count <= maximumByteCount else { return nil }
    let distances = candidates.map { ($0, distance(word.lowercased(), $0.lowercased())) }
    guard let best = distances.min(by: { $0.1 < $1.1 }), best.1 <= max(word.count / 3, 2) else {
      return nil
    }
    return best.0
  }

  private static let maximumByteCount = 100

  /// `did you mean NAME?`, or all candidates.
  static func hint(for word: String, among candidates: [String]) -> String {
    nearest(to: word, among: candidates).map { "did you mean \($0)?" }
      ?? "choose from \(candidates.joined(separator: ", "))"
  }

  /// The number of insertions, deletions, substitutions and transpositions of neighbours from `a`
  /// to `b` (optimal string alignment).
  package static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var rows = [Array(0...b.count)]
    for i in 1..<a.count + 1 {
      var row = [i] + [Int](repeating: 0, count: b.count)
      for j in 1..<b.count + 1 {
        let same = a[i - 1] == b[j - 1]
        row[j] = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (same ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          row[j] = min(row[j], rows[i - 2][j - 2] + 1)
        }
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}

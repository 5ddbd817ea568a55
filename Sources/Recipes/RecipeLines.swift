import System
import Yams

/// The lines of a recipe's values in its text, for errors that are found when only the data are
/// open and the text is gone.
struct RecipeLines: Sendable {
  /// The file's name, or the built-in recipe's.
  let source: String
  /// The line of each value by its path; nil where an option set the value.
  private var lines: [[String]: Int?] = [:]

  init(_ root: Node, source: String) {
    self.source = source
    add(root, [])
  }

  private mutating func add(_ node: Node, _ path: [String]) {
    lines[path] = .some(node.mark?.line)
    for (index, item) in (node.sequence ?? []).enumerated() { add(item, path + [String(index)]) }
    for (key, value) in node.mapping ?? [:] { add(value, path + [key.string ?? "?"]) }
  }

  /// The line of the value at `path`, or of the nearest enclosing value that the text has.
  private func line(at path: [String]) -> Int? {
    for count in (0...path.count).reversed() {
      if let line = lines[Array(path.prefix(count))] { return line }
    }
    return nil
  }

  func failure(_ problem: RecipeProblem) -> Failure {
    let line = problem.line ?? line(at: problem.path)
    return Failure(
      .usage,
      ([source + (line.map { ":\($0)" } ?? "")]
        + (problem.path.isEmpty ? [] : [problem.path.joined(separator: ".")]) + [problem.what])
        .joined(separator: ": "))
  }
}

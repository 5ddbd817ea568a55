import Glibc

/// A value in a recipe that cannot be: where, what was found, what is allowed.
struct RecipeProblem: Error {
  let path: [any CodingKey]
  let what: String

  init(_ path: [any CodingKey], _ what: String) {
    self.path = path
    self.what = what
  }
}

extension KeyedDecodingContainer {
  /// The value at `key`; the default where it is missing or null.
  func value<T: Decodable>(_ key: Key, default standard: @autoclosure () -> T) throws -> T {
    try decodeIfPresent(T.self, forKey: key) ?? standard()
  }

  /// One of an enum's names.
  func choice<T: RawRepresentable & CaseIterable>(_ key: Key, default standard: T? = nil) throws
    -> T
  where T.RawValue == String {
    if let standard, try !contains(key) || decodeNil(forKey: key) { return standard }
    let found = try decode(String.self, forKey: key)
    if let value = T(rawValue: found) { return value }
    let allowed = T.allCases.map(\.rawValue)
    throw RecipeProblem(
      codingPath + [key],
      "\(found) is not one of \(allowed.joined(separator: ", "))"
        + (Spelling.nearest(to: found, among: allowed).map { "; did you mean \($0)?" } ?? ""))
  }

  /// - Throws: RecipeProblem naming the key, what was found and what is allowed.
  func check(_ key: Key, _ found: some Any, _ isAllowed: Bool, _ allowed: String) throws {
    if isAllowed { return }
    throw RecipeProblem(codingPath + [key], "\(found) is not allowed; it must be \(allowed)")
  }
}

extension Double {
  /// The nearest number with 15 significant digits: what a recipe's YAML can hold, so that the
  /// recipe written is the recipe read.
  var writtenInFull: Double {
    guard isFinite, self != 0 else { return self }
    var text = [CChar](repeating: 0, count: 40)
    withVaList([self]) { _ = vsnprintf(&text, text.count, "%.15g", $0) }
    return strtod(text, nil)
  }
}

import Tensors

/// Which class a text of the target's column is.
struct CSVClasses {
  /// nil where classes are numbers.
  private(set) var names: [String]?
  private(set) var count = 0
  private let isGiven: Bool
  private var indices: [[UInt8]: Int] = [:]
  private var areWhole = true
  private var greatest = 0

  /// - Parameters:
  ///   - names, count: what was settled on another file; both nil: to be found.
  init(names: [String]?, count: Int?) {
    isGiven = names != nil || count != nil
    self.names = names
    self.count = names?.count ?? count ?? 0
    for (i, name) in (names ?? []).enumerated() { indices[Array(name.utf8)] = i }
  }

  /// Takes note of the target of the current row, or checks it.
  /// - Throws: `badData` where there are too many classes, or others than were given.
  mutating func add(_ table: CSVTable, _ column: Int) throws {
    if isGiven {
      _ = try index(table, column)
      return
    }
    let text = table.field(column)
    if let number = CSVTable.wholeNumber(text) {
      greatest = max(greatest, number)
    } else {
      areWhole = false
    }
    let bytes = Array(text)
    if indices.updateValue(0, forKey: bytes) != nil { return }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw table.fault(
        column, "has \(shown(text)), which is not UTF-8", remedy: "save it as UTF-8")
    }
    guard indices.count <= TargetKind.maximumClassCount else {
      throw table.fault(
        column, "has more than \(TargetKind.maximumClassCount) classes",
        remedy: "take the target as a number")
    }
  }

  /// Decides what the classes are, once all were added.
  mutating func settle() {
    if isGiven { return }
    if areWhole && greatest < TargetKind.maximumClassCount {
      count = greatest + 1
      return
    }
    let sorted = indices.keys.sorted { $0.lexicographicallyPrecedes($1) }
    for (i, text) in sorted.enumerated() { indices[text] = i }
    names = sorted.map { String(decoding: $0, as: UTF8.self) }
    count = sorted.count
  }

  /// The class of the current row.
  /// - Throws: `badData` where it is none.
  func index(_ table: CSVTable, _ column: Int) throws -> Int {
    let text = table.field(column)
    if let names {
      if let index = indices[Array(text)] { return index }
      let list = names.prefix(20).map { shown(Array($0.utf8)) }.joined(separator: ", ")
      throw table.fault(
        column,
        "has the class \(shown(text)), which is none of \(list)"
          + (names.count > 20 ? ", ..." : ""), remedy: "mend it, or train with that class")
    }
    guard let index = CSVTable.wholeNumber(text), index < count else {
      throw table.fault(
        column, "has the class \(shown(text)), which is none of 0 ... \(count - 1)",
        remedy: "mend it, or train with that class")
    }
    return index
  }
}

import Tensors

/// The classes of the target column, and the class of each text in it.
struct CSVClasses {
  /// The names of the classes; nil where classes are numbers.
  private(set) var names: [String]?
  private(set) var count = 0
  private let isGiven: Bool
  private var indices: [[UInt8]: Int] = [:]
  private var areIntegers = true
  private var maximum = 0

  /// - Parameters:
  ///   - names: the names of the classes in another file; nil: it has numbers, or there is none.
  ///   - count: the number of classes in another file. Both nil: taken from this file.
  init(names: [String]?, count: Int?) {
    isGiven = names != nil || count != nil
    self.names = names
    self.count = names?.count ?? count ?? 0
    for (i, name) in (names ?? []).enumerated() { indices[Array(name.utf8)] = i }
  }

  /// Records the target of the current row, or checks it where the classes are given.
  /// - Throws: `badData` where there are too many classes, or one that is not among those given.
  mutating func add(_ table: CSVTable, _ column: Int) throws {
    if isGiven {
      _ = try index(table, column)
      return
    }
    let text = table.field(column)
    if let number = CSVTable.wholeNumber(text) {
      maximum = max(maximum, number)
    } else {
      areIntegers = false
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

  /// Determines the classes, after all rows were added.
  mutating func finish() {
    if isGiven { return }
    if areIntegers && maximum < TargetKind.maximumClassCount {
      count = maximum + 1
      return
    }
    let sorted = indices.keys.sorted { $0.lexicographicallyPrecedes($1) }
    for (i, text) in sorted.enumerated() { indices[text] = i }
    names = sorted.map { String(decoding: $0, as: UTF8.self) }
    count = sorted.count
  }

  /// The class of the current row.
  /// - Throws: `badData` where the target is none of the classes.
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

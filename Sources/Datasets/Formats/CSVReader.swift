import System

/// Options for reading a CSV file.
public struct CSVOptions: Sendable, Equatable {
  /// What to do with a row that lacks a value in a column that is used: "", NA, NaN, null or ?.
  public enum Missing: String, Sendable, CaseIterable {
    case error, drop
  }

  /// The column of the targets: its name in the header, or its number from 0.
  package var targetColumn: String
  package var targetKind: TargetKind
  /// The columns of the inputs, given as `targetColumn` is, in this order; nil: all except the
  /// column of the targets.
  package var columns: [String]?
  package var hasHeader: Bool
  /// One ASCII character.
  package var separator: String
  package var missing: Missing

  package init(
    targetColumn: String, targetKind: TargetKind, columns: [String]? = nil, hasHeader: Bool = true,
    separator: String = ",", missing: Missing = .error
  ) {
    self.targetColumn = targetColumn
    self.targetKind = targetKind
    self.columns = columns
    self.hasHeader = hasHeader
    self.separator = separator
    self.missing = missing
  }
}

/// The rows of a CSV file (RFC 4180) as samples: inputs [columns] float32; targets [] classes, or
/// [1] numbers.
///
/// If all classes are whole numbers from 0, these are the class indices. Otherwise the classes are
/// the texts, sorted by their bytes. The file is read twice: once on opening, when all rows are
/// checked and counted, and then row by row. Memory: one row, and the names of the classes.
package final class CSVReader: SampleSource {
  package var name: String { table.path }
  package let sampleCount: Int
  package var inputShape: [Int] { [inputColumns.count] }
  package var inputType: InputType { .float32 }
  package var targetShape: [Int] { options.targetKind == .classIndex ? [] : [1] }
  package let targetType: TargetType
  package let classNames: [String]?
  /// The columns of the inputs by name, or by number where there is no header. Use them as
  /// `columns` of the options for another file that must have the same columns.
  package let inputColumns: [String]
  /// Rows left out because a value is missing.
  package let droppedCount: Int

  private let options: CSVOptions
  private let table: CSVTable
  private let columns: [Int]
  private let targetColumn: Int
  private let classes: CSVClasses
  private var samplesRead = 0

  /// - Parameters:
  ///   - classNames: the classes of the training file where they have names; others are an error.
  ///   - classCount: the number of classes of the training file where they are numbers.
  /// - Throws: `inputMissing`, `badData` naming file, line and column, `ioError`; `usage` where the
  ///   options contradict each other.
  package init(
    path: String, options: CSVOptions, classNames: [String]? = nil, classCount: Int? = nil
  ) throws {
    self.options = options
    func open() throws -> CSVTable {
      try CSVTable(path: path, hasHeader: options.hasHeader, separator: options.separator)
    }
    table = try open()
    targetColumn = try table.column(options.targetColumn, what: "target column")
    columns = try table.inputColumns(options.columns, target: targetColumn)
    inputColumns = columns.map { [table] column in table.names?[column] ?? String(column) }

    let first = try open()
    var found = CSVClasses(names: classNames, count: classCount)
    var (count, dropped) = (0, 0)
    while try first.advance() {
      if try CSVReader.isDropped(first, columns + [targetColumn], options) {
        dropped += 1
        continue
      }
      for column in columns { _ = try first.float(column) }
      switch options.targetKind {
      case .classIndex: try found.add(first, targetColumn)
      case .number: _ = try first.float(targetColumn)
      }
      count += 1
    }
    guard count > 0 else {
      throw Failure(
        .badData, "\(path) has no row" + (dropped > 0 ? " that lacks no value" : ""),
        remedy: "give a file with samples")
    }
    found.finish()
    classes = found
    sampleCount = count
    droppedCount = dropped
    let isClass = options.targetKind == .classIndex
    targetType = isClass ? .classIndex(count: found.count) : .float32
    self.classNames = isClass ? found.names : nil
  }

  package func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws {
    require(samplesRead < sampleCount, "\(name): all \(sampleCount) samples were read")
    repeat {
      guard try table.advance() else {
        throw Failure(
          .badData, "\(name) has fewer rows than when it was opened", remedy: "leave it alone")
      }
    } while try CSVReader.isDropped(table, columns + [targetColumn], options)
    samplesRead += 1
    if let input {
      let numbers = input.assumingMemoryBound(to: Float.self)
      for (i, column) in columns.enumerated() { numbers[i] = try table.float(column) }
    }
    guard let target else { return }
    switch options.targetKind {
    case .classIndex:
      target.storeBytes(of: Int64(try classes.index(table, targetColumn)), as: Int64.self)
    case .number: target.storeBytes(of: try table.float(targetColumn), as: Float.self)
    }
  }

  /// Reads to the end of the file: rows after the last sample are all dropped rows.
  package func finish() throws {
    while try table.advance() {}
  }

  package var digest: UInt64? { table.digest }

  /// Whether the current row lacks a value and is to be dropped.
  /// - Throws: `badData` where it lacks a value and missing values are an error.
  private static func isDropped(
    _ table: CSVTable, _ columns: [Int], _ options: CSVOptions
  ) throws -> Bool {
    guard let column = columns.first(where: { CSVTable.isMissing(table.field($0)) }) else {
      return false
    }
    if options.missing == .drop { return true }
    throw table.fault(
      column, "has no value, \(shown(table.field(column)))",
      remedy: "fill it in, or leave such rows out with `missing: drop`")
  }
}

// MARK: - Columns

extension CSVTable {
  /// The index of the column that has the name `text` in the header, or else that number.
  /// - Parameter remedy: what to do where there is no such column; nil: name another.
  func column(_ text: String, what: String, remedy: String? = nil) throws -> Int {
    let bytes = Array(text.utf8)
    if let column = columns[bytes] { return column }
    if !bytes.isEmpty, bytes.allSatisfy({ 48...57 ~= $0 }), let column = Int(text),
      column < columnCount
    {
      return column
    }
    let all = names.map { names in
      names.prefix(20).map { shown(Array($0.utf8)) }.joined(separator: ", ")
        + (names.count > 20 ? ", ..." : "")
    }
    throw Failure(
      .badData,
      "\(path) has no \(what) \(shown(bytes)); it has "
        + (all ?? "\(columnCount) columns and no header"),
      remedy: remedy
        ?? (columnCount == 1
          ? "set `separator` to what stands between columns"
          : all == nil
            ? "give a number in 0 ... \(columnCount - 1)"
            : "give one of these names, or a number in 0 ... \(columnCount - 1)"))
  }

  fileprivate func inputColumns(_ wanted: [String]?, target: Int) throws -> [Int] {
    guard let wanted else {
      guard columnCount > 1 else {
        throw Failure(
          .badData, "\(path) has one column, the target's, and none for inputs",
          remedy: "check the separator")
      }
      return (0..<columnCount).filter { $0 != target }
    }
    let columns = try wanted.map { try column($0, what: "column") }
    if columns.isEmpty {
      throw Failure(.usage, "no column of \(path) is an input", remedy: "name at least one")
    }
    var taken: Set<Int> = []
    for column in columns {
      if column == target {
        throw Failure(
          .usage, "\(title(column)) of \(path) is both an input and the target",
          remedy: "leave it out of the inputs' columns")
      }
      if !taken.insert(column).inserted {
        throw Failure(
          .usage, "\(title(column)) of \(path) is an input twice", remedy: "name it once")
      }
    }
    return columns
  }
}

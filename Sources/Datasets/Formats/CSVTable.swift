import Glibc
import System
import Tensors

/// Reads the rows of a CSV file from front to back. All have the same number of fields; a header
/// may precede them.
final class CSVTable {
  /// The names in the header; nil without a header.
  let names: [String]?
  /// The index of each name.
  let columns: [[UInt8]: Int]
  let columnCount: Int
  var path: String { records.path }
  /// The hash of the whole file, after `advance` has returned false.
  var digest: UInt64 { records.hash.value }
  private let records: CSVRecords
  private var isPending = false  // whether the current record is the first row
  private let firstLine: Int  // the line whose number of fields all rows must have

  /// - Parameters:
  ///   - hasHeader: nil: there is a header where the first line has a field that is neither a
  ///     number nor missing.
  ///   - separator: one ASCII character.
  /// - Throws: `inputMissing`; `badData` where the file is empty or its header is damaged; `usage`
  ///   where the separator is not allowed.
  init(path: String, hasHeader: Bool?, separator: String) throws {
    guard separator.utf8.count == 1, let byte = separator.utf8.first, byte < 128,
      !"\"\r\n\0".utf8.contains(byte)
    else {
      throw Failure(
        .usage, "the separator of \(path) is \(shown(Array(separator.utf8)))",
        remedy: "give one character of ASCII, such as \",\" or \";\" or a tab")
    }
    let records = try CSVRecords(DataFile(path: path, format: "a CSV file"), separator: byte)
    self.records = records
    let isFound = try records.advance()
    guard isFound else {
      throw Failure(.badData, "\(path) has no line", remedy: "give a CSV file with data")
    }
    if records.isBlank { throw records.fault("a blank line", remedy: "remove it") }
    columnCount = records.fieldCount
    firstLine = records.line
    let all = 0..<records.fieldCount
    let isNumeric = all.allSatisfy {
      !records.isQuoted($0) && CSVTable.number(records.field($0)) != nil
    }
    let isHeader =
      hasHeader
      ?? all.contains {
        CSVTable.number(records.field($0)) == nil && !CSVTable.isMissing(records.field($0))
      }
    guard isHeader else {
      (names, columns) = (nil, [:])
      isPending = true
      return
    }
    if isNumeric {
      throw records.fault(
        "numbers, where the header's names are expected",
        remedy:
          "set `header: false` if there is no header, or put quotes round names that are numbers")
    }
    (names, columns) = try CSVTable.header(records)
  }

  private static func header(
    _ records: CSVRecords
  ) throws -> (names: [String], columns: [[UInt8]: Int]) {
    var columns: [[UInt8]: Int] = [:]
    let names = try (0..<records.fieldCount).map { i in
      let bytes = Array(records.field(i))
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw records.fault(
          "the name of column \(i), \(shown(bytes)), is not UTF-8", remedy: "save it as UTF-8")
      }
      if let first = columns.updateValue(i, forKey: bytes) {
        throw records.fault(
          "columns \(first) and \(i) are both called \(shown(bytes))",
          remedy: "rename one, or set `header: false` if the first line is a sample")
      }
      return name
    }
    return (names, columns)
  }

  /// Reads the next row.
  /// - Returns: whether there is one; blank lines may follow the last.
  func advance() throws -> Bool {
    if isPending {
      isPending = false
      return true
    }
    guard try records.advance() else { return false }
    if records.isBlank {
      let blank = records.fault("a blank line among the rows", remedy: "remove it")
      while try records.advance() { if !records.isBlank { throw blank } }
      return false
    }
    guard records.fieldCount == columnCount else {
      throw records.fault(
        "\(records.fieldCount) fields, where line \(firstLine) has \(columnCount)",
        remedy: "give each row as many fields; quote a field that holds the separator")
    }
    return true
  }

  /// A failure for bad data at `column` of the current row.
  func fault(_ column: Int, _ what: String, remedy: String) -> Failure {
    records.fault("\(title(column)) \(what)", remedy: remedy)
  }

  func field(_ column: Int) -> ArraySlice<UInt8> { records.field(column) }

  /// A column as messages name it.
  func title(_ column: Int) -> String {
    names.map { "column \(shown(Array($0[column].utf8)))" } ?? "column \(column)"
  }

  /// The number at `column` of the current row.
  /// - Throws: `badData` where the field is no number, or one that float32 cannot hold.
  func float(_ column: Int) throws -> Float {
    let text = field(column)
    guard let value = CSVTable.number(text) else {
      throw fault(
        column, "has \(shown(text)), which is not a number",
        remedy: "mend it, or leave the column out")
    }
    let rounded = Float(value)
    guard rounded.isFinite else {
      throw fault(column, "has \(shown(text)), which float32 does not reach", remedy: "scale it")
    }
    return rounded
  }
}

// MARK: - Fields

extension CSVTable {
  private static let missingTexts = ["", "na", "nan", "null", "?"].map { Array($0.utf8) }

  /// Whether a field marks a missing value; upper and lower case are the same.
  static func isMissing(_ field: ArraySlice<UInt8>) -> Bool {
    let text = trimmed(field)
    return text.count <= 4
      && missingTexts.contains(text.map { 65...90 ~= $0 ? $0 + 32 : $0 })
  }

  /// A decimal number; infinite where a Double cannot hold it. nil for any other text.
  static func number(_ field: ArraySlice<UInt8>) -> Double? {
    let text = trimmed(field)
    guard !text.isEmpty && text.allSatisfy({ 48...57 ~= $0 || "+-.eE".utf8.contains($0) }) else {
      return nil  // nan, inf and hexadecimal numbers too
    }
    return Double(String(decoding: text, as: UTF8.self))
  }

  /// A whole number, 0 ... Int32.max, such as 3 or 3.0; nil for any other text.
  static func wholeNumber(_ field: ArraySlice<UInt8>) -> Int? {
    guard let value = number(field), value == value.rounded(), value >= 0,
      value <= Double(Int32.max)
    else { return nil }
    return Int(value)
  }

  private static func trimmed(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let isSpace: (UInt8) -> Bool = { $0 == 32 || $0 == 9 }
    guard let first = field.firstIndex(where: { !isSpace($0) }),
      let last = field.lastIndex(where: { !isSpace($0) })
    else { return [] }
    return field[first...last]
  }
}

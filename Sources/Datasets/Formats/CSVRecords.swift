import System
import Tensors

/// Reads the records of a CSV file (RFC 4180) from front to back and checks them strictly: lines
/// end with LF or CRLF; quotes enclose a whole field, and a quote within it is doubled. A UTF-8
/// byte order mark at the start is skipped.
///
/// Memory: one record, of at most 16 MiB and 262,144 fields.
final class CSVRecords {
  static let maximumByteCount = 16 << 20
  static let maximumFieldCount = 1 << 18
  private static let capacity = 128 << 10

  let path: String
  /// The line where the current record begins, counted from 1.
  private(set) var line = 0
  var fieldCount: Int { ends.count }
  /// Whether the current record is an empty line.
  var isBlank: Bool { ends.count == 1 && bytes.isEmpty && !quoted[0] }

  /// The hash of the bytes read from the file so far.
  private(set) var hash = ContentHash()

  private let file: DataFile
  private let separator: UInt8
  private var offset = 0  // in the file, of the first byte after `buffer`
  private var buffer: [UInt8] = []
  private var next = 0  // in `buffer`
  private var nextLine = 1

  // The current record: the bytes of all fields, the end of each in `bytes`, and whether it was
  // quoted.
  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  private var quoted: [Bool] = []

  private enum State { case fieldStart, unquoted, quoted, quoteInQuoted, carriageReturn }

  init(_ file: DataFile, separator: UInt8) throws {
    self.file = file
    self.separator = separator
    path = file.path
    let start = try file.bytes(4, at: 0)
    if start.starts(with: [0xfe, 0xff]) || start.starts(with: [0xff, 0xfe]) {
      throw Failure(.badData, "\(path):1: text in UTF-16", remedy: "save it as UTF-8")
    }
    if start.starts(with: [0x1f, 0x8b]) {
      throw Failure(.badData, "\(path) is gzipped", remedy: "unpack it with gunzip")
    }
    if start.starts(with: [0xef, 0xbb, 0xbf]) { offset = 3 }
  }

  /// A field of the current record, without the quotes around it.
  func field(_ i: Int) -> ArraySlice<UInt8> { bytes[(i == 0 ? 0 : ends[i - 1])..<ends[i]] }
  func isQuoted(_ i: Int) -> Bool { quoted[i] }

  /// A failure for bad data in the current record.
  func fault(_ what: String, remedy: String) -> Failure {
    Failure(.badData, "\(path):\(line): \(what)", remedy: remedy)
  }

  /// Reads the next record.
  /// - Returns: whether there is one.
  func advance() throws -> Bool {
    bytes.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    quoted.removeAll(keepingCapacity: true)
    line = nextLine
    var state = State.fieldStart
    var isQuoted = false
    var quoteLine = line
    var isEmpty = true

    func endField() {
      ends.append(bytes.count)
      quoted.append(isQuoted)
      isQuoted = false
      state = .fieldStart
    }
    while true {
      if next == buffer.count {
        buffer = try file.bytes(CSVRecords.capacity, at: offset)
        offset += buffer.count
        next = 0
        buffer.withUnsafeBytes { hash.update($0) }
        if buffer.isEmpty { break }
      }
      let byte = buffer[next]
      next += 1
      isEmpty = false
      switch (state, byte) {
      case (_, 0): throw fault(at: nextLine, "a zero byte", remedy: "give a CSV file in UTF-8")
      case (.quoted, UInt8(ascii: "\"")): state = .quoteInQuoted
      case (.quoted, _):
        if byte == UInt8(ascii: "\n") { nextLine += 1 }
        bytes.append(byte)
      case (.carriageReturn, UInt8(ascii: "\n")), (.fieldStart, UInt8(ascii: "\n")),
        (.unquoted, UInt8(ascii: "\n")), (.quoteInQuoted, UInt8(ascii: "\n")):
        endField()
        nextLine += 1
        return true
      case (.carriageReturn, _):
        throw fault(
          at: nextLine, "a carriage return within a line", remedy: "end lines with LF or CRLF")
      case (_, separator): endField()
      case (_, UInt8(ascii: "\r")): state = .carriageReturn
      case (.fieldStart, UInt8(ascii: "\"")):
        state = .quoted
        isQuoted = true
        quoteLine = nextLine
      case (.quoteInQuoted, UInt8(ascii: "\"")):
        bytes.append(byte)
        state = .quoted
      case (.quoteInQuoted, _):
        throw fault(
          at: nextLine, "\(shown([byte])) after the closing quote of field \(ends.count + 1)",
          remedy: "double a quote within a quoted field")
      case (.unquoted, UInt8(ascii: "\"")):
        throw fault(
          at: nextLine, "a quote within field \(ends.count + 1), which is not quoted",
          remedy: "put quotes round the whole field, and double the quote within")
      default:
        bytes.append(byte)
        state = .unquoted
      }
      if ends.count > CSVRecords.maximumFieldCount {
        throw fault(
          at: line, "a record of more than \(CSVRecords.maximumFieldCount) fields",
          remedy: "check the separator and the line ends")
      }
      if bytes.count > CSVRecords.maximumByteCount {
        throw fault(
          at: line, "a record longer than \(CSVRecords.maximumByteCount) bytes",
          remedy: state == .quoted ? "close the quote of line \(quoteLine)" : "check the line ends")
      }
    }
    switch state {
    case .quoted:
      throw fault(
        at: quoteLine, "the quote of field \(ends.count + 1) is never closed",
        remedy: "close it, or double a quote within a quoted field")
    case .carriageReturn:
      throw fault(
        at: nextLine, "a carriage return within a line", remedy: "end lines with LF or CRLF")
    default: break
    }
    if isEmpty { return false }
    endField()
    return true
  }

  private func fault(at line: Int, _ what: String, remedy: String) -> Failure {
    Failure(.badData, "\(path):\(line): \(what)", remedy: remedy)
  }
}

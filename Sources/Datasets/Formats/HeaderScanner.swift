/// Reads the text of a file's header character by character.
package protocol HeaderScanner {
  var bytes: [UInt8] { get }
  /// The index in `bytes` of the next character.
  var next: Int { get set }
}

extension HeaderScanner {
  /// Skips space, and then `mark` if it comes next.
  /// - Returns: whether it came next.
  package mutating func take(_ mark: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next < bytes.count && bytes[next] == UInt8(ascii: mark) else { return false }
    next += 1
    return true
  }

  package mutating func skipSpace() {
    while next < bytes.count && " \n\r\t".utf8.contains(bytes[next]) { next += 1 }
  }
}

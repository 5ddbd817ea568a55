/// Reads the text of a file's header mark by mark.
package protocol HeaderScanner {
  var bytes: [UInt8] { get }
  /// Where in `bytes` it goes on.
  var next: Int { get set }
}

extension HeaderScanner {
  /// Whether `mark` comes next, behind any space; then it is behind it.
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

import Glibc

/// One line on standard error that begins with "warning: ".
package func printWarning(_ text: String) {
  Array("warning: \(text)\n".utf8).withUnsafeBytes {
    try? writeAll($0, to: STDERR_FILENO, path: "standard error")
  }
}

import Glibc

/// Prints `text` as one line on standard error, after "warning: ". A failure to write is ignored.
package func printWarning(_ text: String) {
  Array("warning: \(text)\n".utf8).withUnsafeBytes {
    try? writeAll($0, to: STDERR_FILENO, path: "standard error")
  }
}

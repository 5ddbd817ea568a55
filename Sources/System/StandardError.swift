import Glibc
import Synchronization

/// What should be known but stops nothing, such as a disk that is full for a while.
///
/// The library prints nothing by itself: a program installs a handler, which the command line does.
package enum Warnings {
  private static let handler = Mutex<(@Sendable (String) -> Void)?>(nil)

  /// Passes every warning from now on to `body`, from any thread.
  package static func handle(_ body: @escaping @Sendable (String) -> Void) {
    handler.withLock { $0 = body }
  }

  /// - Parameter text: one line.
  package static func report(_ text: String) { handler.withLock { $0 }?(text) }
}

/// Prints `text` as one line on standard error, after "warning: ". A failure to write is ignored.
package func printWarning(_ text: String) {
  Array("warning: \(text)\n".utf8).withUnsafeBytes {
    try? writeAll($0, to: STDERR_FILENO, path: "standard error")
  }
}

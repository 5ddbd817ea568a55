import CSystem
import Glibc

/// The signals that ask a run to save a checkpoint and stop.
package enum StopSignals {
  /// Installs handlers for TERM, INT, USR1 and USR2. They set a flag that is checked after every
  /// step. Each handler runs only once: a second signal of the same kind has its default action, so
  /// a user can always end the process.
  package static func install() {
    for number in [SIGTERM, SIGINT, SIGUSR1, SIGUSR2] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { nd_note_signal($0) }
      action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_RESTART
      sigaction(number, &action, nil)
    }
    // Ignored, so that a closed pipe or a file that is too large is reported as an error by
    // write(2).
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// The name of the signal received, or nil if there was none.
  package static var received: String? {
    switch nd_noted_signal() {
    case 0: nil
    case SIGTERM: "SIGTERM"
    case SIGINT: "SIGINT"
    case SIGUSR1: "SIGUSR1"
    case SIGUSR2: "SIGUSR2"
    case let number: "signal \(number)"
    }
  }

  /// Whether loading may stop on a signal. True before the first step, when no work would be lost.
  package nonisolated(unsafe) static var mayStopLoading = false

  /// Checks for a signal. Call it regularly while loading.
  /// - Throws: `Failure(.stopped)` if a signal was received and `mayStopLoading` is true.
  package static func checkWhileLoading(_ name: String) throws {
    guard nd_noted_signal() != 0, mayStopLoading, let received else { return }
    throw Failure(
      .stopped, "stopped by \(received) while loading \(name)",
      remedy: "run again, with --resume where the run had begun")
  }
}

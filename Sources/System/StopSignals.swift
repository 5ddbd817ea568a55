import CSystem
import Glibc

/// Signals that ask a run to save and stop.
package enum StopSignals {
  /// TERM, INT, USR1 and USR2 set a flag that is looked at after every step. A second signal of the
  /// same kind does what it does by default: whoever means it gets it.
  package static func install() {
    for number in [SIGTERM, SIGINT, SIGUSR1, SIGUSR2] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { nd_note_signal($0) }
      action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_RESTART
      sigaction(number, &action, nil)
    }
    // A closed pipe or a file too large is an error of the write that meets it.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// The name of the signal that came, if one did.
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

  /// Whether nothing is lost when loading is given up: no step was made yet.
  package nonisolated(unsafe) static var endLoading = false

  /// To be asked now and then while something is loaded.
  /// - Throws: `Failure(.stopped)` where a signal came and `endLoading`.
  package static func checkWhileLoading(_ name: String) throws {
    guard nd_noted_signal() != 0, endLoading, let received else { return }
    throw Failure(
      .stopped, "stopped by \(received) while loading \(name)",
      remedy: "run again, with --resume where the run had begun")
  }
}

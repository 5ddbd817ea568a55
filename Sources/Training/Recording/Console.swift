import Glibc
import System

/// Prints the progress of a run: on a terminal a progress bar like tqdm's, elsewhere a plain line
/// from time to time. Only root prints.
package final class Console {
  private let isQuiet: Bool
  private let warns: Bool
  private let isTerminal: Bool
  private var barIsShown = false
  private var lastUpdate = -Double.infinity
  /// Whether a write failed before. The warning is printed only once.
  private var hasLostReader = false

  package init(_ output: RunOutput, isRoot: Bool = true) {
    isQuiet = output != .progress || !isRoot
    warns = output != .none && isRoot
    isTerminal = Console.standardOutputIsTerminal
  }

  /// Under mpirun, every rank has its own pseudo-terminal. So this looks at the standard output of
  /// mpirun itself.
  private static var standardOutputIsTerminal: Bool {
    guard isatty(STDOUT_FILENO) == 1 else { return false }
    guard getenv("OMPI_COMM_WORLD_RANK") != nil else { return true }
    let descriptor = open("/proc/\(getppid())/fd/1", O_WRONLY | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return isatty(descriptor) == 1
  }

  /// Prints a line, above the progress bar.
  package func line(_ text: String) {
    guard !isQuiet else { return }
    clearBar()
    put(text + "\n")
  }

  /// Prints a warning on standard error, also if progress is turned off.
  func warning(_ text: String) {
    guard warns else { return }
    if !isQuiet { clearBar() }
    printWarning(text)
  }

  /// Shows the progress of the run. On a terminal, at most ten times a second, and the bar of a
  /// finished epoch stays; elsewhere, every ten seconds.
  func progress(isEpochsEnd: Bool, _ progress: @autoclosure () -> Progress) {
    guard !isQuiet else { return }
    let now = monotonicSeconds()
    if lastUpdate == -.infinity && !isTerminal { lastUpdate = now }
    let isDue = now - lastUpdate >= (isTerminal ? 0.1 : 10) || (isTerminal && isEpochsEnd)
    guard isDue else { return }
    lastUpdate = now
    if isTerminal {
      var size = winsize()
      let width = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 ? Int(size.ws_col) : 0
      put("\r\u{1B}[K" + progress().bar(width: width > 0 ? width : 80))
      if isEpochsEnd { put("\n") }
      barIsShown = !isEpochsEnd
    } else {
      put(progress().plain + "\n")
    }
  }

  private func clearBar() {
    if barIsShown { put("\r\u{1B}[K") }
    barIsShown = false
  }

  /// Writes to standard output. An error, such as a closed pipe, does not end the run, because
  /// metrics.jsonl has everything.
  private func put(_ text: String) {
    do {
      try Array(text.utf8).withUnsafeBytes {
        try writeAll($0, to: STDOUT_FILENO, path: "standard output")
      }
    } catch {
      if hasLostReader { return }
      hasLostReader = true
      let line = Array(
        "nndist: warning: \(error); the run goes on, and metrics.jsonl has all of it\n".utf8)
      _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
  }

  /// The progress of a run at one moment.
  package struct Progress {
    var epoch, epochs: Int
    var step, stepsPerEpoch: Int  // within the epoch
    var secondsInEpoch: Double
    var stepsPerSecond: Double
    var loss: Float

    package init(
      epoch: Int, epochs: Int, step: Int, stepsPerEpoch: Int, secondsInEpoch: Double,
      stepsPerSecond: Double, loss: Float
    ) {
      self.epoch = epoch
      self.epochs = epochs
      self.step = step
      self.stepsPerEpoch = stepsPerEpoch
      self.secondsInEpoch = secondsInEpoch
      self.stepsPerSecond = stepsPerSecond
      self.loss = loss
    }

    private var percent: Int { step * 100 / max(stepsPerEpoch, 1) }

    private var figures: String {
      let left = stepsPerSecond > 0 ? Double(stepsPerEpoch - step) / stepsPerSecond : .nan
      return "\(step)/\(stepsPerEpoch) [\(clock(secondsInEpoch))<\(clock(left)), "
        + "\(fixed(stepsPerSecond, 1)) steps/s, loss=\(fixed(Double(loss), 4))]"
    }

    package var plain: String { "Epoch \(epoch)/\(epochs): \(percent)% \(figures)" }

    /// `Epoch 1/5:  42%|████▏     | 394/938 [00:02<00:03, 180.1 steps/s, loss=0.4312]`
    package func bar(width: Int) -> String {
      let number = String(percent)
      let head =
        "Epoch \(epoch)/\(epochs): " + String(repeating: " ", count: 3 - number.count) + number
        + "%|"
      let tail = "| \(figures)"
      let room = width - head.count - tail.count - 1
      guard room >= 4 else {
        return String((head.dropLast() + " " + tail.dropFirst(2)).prefix(width - 1))
      }
      let eighths = step * room * 8 / max(stepsPerEpoch, 1)
      var bar = String(repeating: "█", count: eighths / 8)
      if eighths % 8 > 0 { bar.append(Array("▏▎▍▌▋▊▉")[eighths % 8 - 1]) }
      return head + bar + String(repeating: " ", count: room - bar.count) + tail
    }
  }
}

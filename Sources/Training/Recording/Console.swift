import Glibc
import System

/// What a run shows while it goes: on a terminal a progress bar like tqdm's, elsewhere plain lines now and
/// then. Only root's prints.
package final class Console {
  private let isQuiet: Bool
  private let warns: Bool
  private let isTerminal: Bool
  private var barIsShown = false
  private var lastUpdate = -Double.infinity
  /// Whether something could not be written, which is said once.
  private var hasLostReader = false

  package init(_ output: RunOutput, isRoot: Bool = true) {
    isQuiet = output != .progress || !isRoot
    warns = output != .none && isRoot
    isTerminal = Console.standardOutputIsTerminal
  }

  /// mpirun gives every rank a pseudo-terminal of its own, so under it the question is where
  /// mpirun's own standard output goes.
  private static var standardOutputIsTerminal: Bool {
    guard isatty(STDOUT_FILENO) == 1 else { return false }
    guard getenv("OMPI_COMM_WORLD_RANK") != nil else { return true }
    let descriptor = open("/proc/\(getppid())/fd/1", O_WRONLY | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return isatty(descriptor) == 1
  }

  /// A line that stays.
  package func line(_ text: String) {
    guard !isQuiet else { return }
    clearBar()
    put(text + "\n")
  }

  /// A line that a quiet run shows as well, on standard error.
  func warning(_ text: String) {
    guard warns else { return }
    if !isQuiet { clearBar() }
    printWarning(text)
  }

  /// How far the run is. Shown at most ten times a second on a terminal, where the bar of a finished
  /// epoch stays; else every ten seconds.
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

  /// A reader that went away is no reason to lose a run: metrics.jsonl has everything.
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

  /// A moment of a run.
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

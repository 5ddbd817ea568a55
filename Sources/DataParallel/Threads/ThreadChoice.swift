/// Chooses whether the threads of a rank share a step, or the first thread computes it alone:
/// whichever takes less time.
///
/// To hand work to another thread takes some microseconds, and more if the cores share no cache.
/// For a small network, that is as long as its step. Both ways give the same bits, so both are
/// tried during training: a few steps of each in turn, and again after a while, because the system
/// moves threads to other cores.
package struct ThreadChoice {
  /// Whether the first thread computes the next step alone.
  package private(set) var isAlone = false

  package init() {}

  /// Runs of a trial: in turn shared and alone.
  private static let runs = 8
  /// Steps of a run. The first step is not timed: it finds its data in the other cores' caches.
  private static let runLength = 8
  /// The duration of a trial over the duration of the steps after it: about the most that trials
  /// cost.
  private static let trialShare = 1.0 / 200
  /// A step that takes longer than this is always shared: handing over its work takes a small part
  /// of it.
  private static let longStepSeconds = 1e-3
  /// A step alone must take less than this part of a shared step's time.
  private static let margin = 0.97

  private var step = 0
  private var seconds = 0.0  // of the run; later, how long the choice is still held
  private var trial = 0.0
  private var fastestShared = Double.infinity
  private var fastestAlone = Double.infinity
  private var isHeld = false

  /// Records a step. Call it after each step.
  /// - Parameter duration: of the step that was computed as `isAlone` said, in seconds.
  package mutating func note(_ duration: Double) {
    if isHeld {
      seconds -= duration
      if seconds <= 0 { self = ThreadChoice() }
      return
    }
    trial += duration
    if step % ThreadChoice.runLength > 0 { seconds += duration }
    step += 1
    guard step % ThreadChoice.runLength == 0 else { return }
    if isAlone {
      fastestAlone = min(fastestAlone, seconds)
    } else {
      fastestShared = min(fastestShared, seconds)
    }
    if fastestShared > ThreadChoice.longStepSeconds * Double(ThreadChoice.runLength - 1) {
      return hold(false)
    }
    if step == ThreadChoice.runs * ThreadChoice.runLength {
      return hold(fastestAlone < ThreadChoice.margin * fastestShared)
    }
    seconds = 0
    isAlone.toggle()
  }

  private mutating func hold(_ alone: Bool) {
    isAlone = alone
    isHeld = true
    seconds = trial / ThreadChoice.trialShare
  }
}

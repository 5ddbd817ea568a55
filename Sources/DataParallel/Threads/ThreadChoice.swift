/// Whether the threads of a rank share its steps, or the first makes them alone: whichever takes less time.
///
/// To hand work over takes some microseconds, and more where the cores share no cache; of a small network
/// that is as much as its step. Both ways have the same bits, so that both can be tried on the way: a few
/// steps of each by turns, and again after a while, as systems move threads to other cores.
package struct ThreadChoice {
  /// How the next step is to be made.
  package private(set) var isAlone = false

  package init() {}

  /// By turns shared and alone.
  private static let runs = 8
  /// Steps of a run. The first of them finds everything in the other cores' caches and does not count.
  private static let runLength = 8
  /// A trial's length over that of what follows: the most that to try can cost, about.
  private static let share = 1.0 / 200
  /// Seconds. Nothing is handed over for so long.
  private static let longest = 1e-3
  /// Alone a step must be faster by so much.
  private static let margin = 0.97

  private var step = 0
  private var seconds = 0.0  // of the run, or to hold the choice
  private var trial = 0.0
  private var leastShared = Double.infinity
  private var leastAlone = Double.infinity
  private var isHeld = false

  /// To be called after each step.
  /// - duration: of the step that was made as `isAlone` said, in seconds.
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
      leastAlone = min(leastAlone, seconds)
    } else {
      leastShared = min(leastShared, seconds)
    }
    if leastShared > ThreadChoice.longest * Double(ThreadChoice.runLength - 1) {
      return hold(false)
    }
    if step == ThreadChoice.runs * ThreadChoice.runLength {
      return hold(leastAlone < ThreadChoice.margin * leastShared)
    }
    seconds = 0
    isAlone.toggle()
  }

  private mutating func hold(_ alone: Bool) {
    isAlone = alone
    isHeld = true
    seconds = trial / ThreadChoice.share
  }
}

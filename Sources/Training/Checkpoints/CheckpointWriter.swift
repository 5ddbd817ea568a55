import CKernels
import CSystem
import DataParallel
import Synchronization
import System
import Tensors

/// Writes checkpoints beside the training: from a copy, on a thread of its own, one at a time. Root's
/// alone.
final class CheckpointWriter {
  /// What came of a write.
  struct Outcome {
    let step: Int
    let result: Result<Checkpoint.Saved, Failure>
    /// What it took, beside the training.
    let seconds: Double
  }

  /// Kept open, and so locked, until the last write is done.
  private let directory: RunDirectory
  private let keptCount: Int
  /// Training has the cores first; a write has until the next save.
  private let thread = BackgroundThread(niceness: 10)
  /// The step under way, or whose outcome was not taken yet.
  private var step: Int?
  private let answer = Answer()

  /// - Parameter keptCount: how many of the newest are kept, besides the latest and the best.
  init(directory: RunDirectory, keptCount: Int) {
    (self.directory, self.keptCount) = (directory, keptCount)
  }

  /// Whether there is an outcome that can be taken without a wait.
  var hasOutcome: Bool { step != nil && answer.isThere.load(ordering: .acquiring) }

  /// Waits for the write under way; nil where there is none.
  func takeOutcome() -> Outcome? {
    guard step != nil else { return nil }
    // What the work throws it keeps as its outcome.
    try! thread.wait()
    step = nil
    return answer.outcome
  }

  /// Copies the tensors and begins to write them.
  /// - Throws: `Failure(.trainingFailed)` naming the first tensor that is not finite; then nothing is
  ///   written.
  /// - Precondition: the outcome of the write before was taken.
  func begin(
    model: Checkpoint.Tensors, optimizer: Checkpoint.Tensors, state: CheckpointState
  ) throws {
    require(step == nil, "a checkpoint was begun before the outcome of the last was taken")
    // What steps, evaluations and the start are done with: the copy need not come on top of that.
    BufferPool.shared.trim()
    nd_trim_heap()
    let copy = CheckpointCopy(of: model, optimizer)
    if let name = copy.take(model, optimizer) {
      throw Failure(
        .trainingFailed, "\(name) is not finite at step \(state.step); no checkpoint was written",
        remedy: "lower the learning rate (--lr) and go on from the last one with --resume")
    }
    step = state.step
    answer.copy = copy
    answer.isThere.store(false, ordering: .relaxed)
    thread.begin { [answer, directory, keptCount] in
      var clock = Stopwatch()
      let result = answer.save(state, in: directory, keeping: keptCount)
      // The copy's.
      BufferPool.shared.trim()
      answer.outcome = Outcome(step: state.step, result: result, seconds: clock.lap())
      answer.isThere.store(true, ordering: .releasing)
    }
  }

  /// What the thread is given, and what it leaves. Touched only before it begins, and when the outcome is
  /// there or the thread was waited for.
  private final class Answer {
    var copy: CheckpointCopy?
    let isThere = Atomic(false)
    var outcome: Outcome?

    /// Writes the copy, and drops it.
    func save(
      _ state: CheckpointState, in directory: RunDirectory, keeping count: Int
    ) -> Result<Checkpoint.Saved, Failure> {
      defer { copy = nil }
      return Result {
        try Checkpoint.save(
          model: copy!.model, optimizer: copy!.optimizer, state: state,
          in: directory.checkpointsPath, keeping: count)
      }.mapError { Failure($0, during: "saving a checkpoint") }
    }
  }
}

/// What a checkpoint holds, copied: training goes on in the original while the copy is written.
private final class CheckpointCopy {
  let model: Checkpoint.Tensors
  let optimizer: Checkpoint.Tensors

  /// Takes memory for tensors such as these.
  init(of model: Checkpoint.Tensors, _ optimizer: Checkpoint.Tensors) {
    func like(_ tensors: Checkpoint.Tensors) -> Checkpoint.Tensors {
      tensors.map { ($0.name, Tensor(uninitialized: $0.tensor.shape, $0.tensor.dtype)) }
    }
    (self.model, self.optimizer) = (like(model), like(optimizer))
  }

  /// Copies tensors of the same names, shapes and dtypes.
  /// - Returns: the first that holds a number that is not finite; nil where all are.
  func take(_ model: Checkpoint.Tensors, _ optimizer: Checkpoint.Tensors) -> String? {
    for (own, other) in zip(self.model + self.optimizer, model + optimizer) {
      let tensor = other.tensor.contiguous()
      require(
        own.name == other.name && own.tensor.shape == tensor.shape
          && own.tensor.dtype == tensor.dtype,
        "checkpoint: \(other.name) \(tensor.dtype) \(tensor.shape) in the place of \(own.name)")
      let isFinite = withExtendedLifetime(tensor) { copyFinite(tensor, to: own.tensor) }
      if !isFinite { return own.name }
    }
    return nil
  }

  /// Copies and looks at each block while it is in the cache. Returns whether all numbers are finite.
  private func copyFinite(_ source: Tensor, to target: Tensor) -> Bool {
    guard source.dtype == .float32 else {
      target.rawPointer.copyMemory(
        from: source.rawPointer, byteCount: source.elementCount * source.dtype.byteCount)
      return true
    }
    let (from, to) = (source.pointer(Float.self), target.pointer(Float.self))
    let block = 1 << 14
    for start in stride(from: 0, to: source.elementCount, by: block) {
      let count = min(block, source.elementCount - start)
      (to + start).update(from: from + start, count: count)
      if nd_all_finite(to + start, count) == 0 { return false }
    }
    return true
  }
}

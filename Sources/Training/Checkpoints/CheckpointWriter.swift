import CKernels
import CSystem
import DataParallel
import Synchronization
import System
import Tensors

/// Writes checkpoints in the background, one at a time, while training continues. It writes a copy
/// of the tensors on its own thread. Used on root only.
final class CheckpointWriter {
  /// The result of a write.
  struct Outcome {
    let step: Int
    let result: Result<Checkpoint.Saved, Failure>
    /// How long the write took, in the background.
    let seconds: Double
  }

  /// Kept open, and therefore locked, until the last write is done.
  private let directory: RunDirectory
  private let keptCount: Int
  /// Training has priority on the cores, because a write only has to finish before the next save.
  private let thread = BackgroundThread(niceness: 10)
  /// The step that is being written, or whose outcome was not taken yet; nil if there is none.
  private var step: Int?
  private let task = WriteTask()

  /// - Parameter keptCount: the number of newest checkpoints to keep, besides the latest and the
  ///   best.
  init(directory: RunDirectory, keptCount: Int) {
    (self.directory, self.keptCount) = (directory, keptCount)
  }

  /// Whether `takeOutcome` would return an outcome without waiting.
  var hasOutcome: Bool { step != nil && task.isDone.load(ordering: .acquiring) }

  /// Waits for the current write and returns its outcome; nil if there is none.
  func takeOutcome() -> Outcome? {
    guard step != nil else { return nil }
    // The thread's body does not throw: errors are part of its outcome.
    try! thread.wait()
    step = nil
    return task.outcome
  }

  /// Copies the tensors and starts to write the copy.
  /// - Throws: `Failure(.trainingFailed)` with the first tensor that is not finite; then nothing is
  ///   written.
  /// - Precondition: the outcome of the previous write was taken.
  func begin(
    model: Checkpoint.Tensors, optimizer: Checkpoint.Tensors, state: CheckpointState
  ) throws {
    require(step == nil, "a checkpoint was begun before the outcome of the last was taken")
    // Free the memory that steps, evaluations and the start no longer use, so that the copy does
    // not increase the peak.
    BufferPool.shared.trim()
    nd_trim_heap()
    let copy = CheckpointCopy(of: model, optimizer)
    if let name = copy.fill(model, optimizer) {
      throw Failure(
        .trainingFailed, "\(name) is not finite at step \(state.step); no checkpoint was written",
        remedy: "lower the learning rate (--lr) and go on from the last one with --resume")
    }
    step = state.step
    task.copy = copy
    task.isDone.store(false, ordering: .relaxed)
    thread.begin { [task, directory, keptCount] in
      var clock = Stopwatch()
      let result = task.save(state, in: directory, keeping: keptCount)
      // Free the memory of the copy.
      BufferPool.shared.trim()
      task.outcome = Outcome(step: state.step, result: result, seconds: clock.lap())
      task.isDone.store(true, ordering: .releasing)
    }
  }

  /// The input and the output of the background thread. The main thread accesses them only before
  /// the thread starts, and after `isDone` is set or the thread was waited for.
  private final class WriteTask {
    var copy: CheckpointCopy?
    let isDone = Atomic(false)
    var outcome: Outcome?

    /// Writes the copy, then frees it.
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

/// A copy of a checkpoint's tensors. Training continues on the originals while the copy is written.
private final class CheckpointCopy {
  let model: Checkpoint.Tensors
  let optimizer: Checkpoint.Tensors

  /// Allocates tensors of the same names, shapes and dtypes, with uninitialized values.
  init(of model: Checkpoint.Tensors, _ optimizer: Checkpoint.Tensors) {
    func like(_ tensors: Checkpoint.Tensors) -> Checkpoint.Tensors {
      tensors.map { ($0.name, Tensor(uninitialized: $0.tensor.shape, $0.tensor.dtype)) }
    }
    (self.model, self.optimizer) = (like(model), like(optimizer))
  }

  /// Copies the values of tensors of the same names, shapes and dtypes.
  /// - Returns: the name of the first tensor with a number that is not finite; nil if all are
  ///   finite.
  func fill(_ model: Checkpoint.Tensors, _ optimizer: Checkpoint.Tensors) -> String? {
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

  /// Copies block by block, and checks each block while it is in the cache. Returns whether all
  /// numbers are finite.
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

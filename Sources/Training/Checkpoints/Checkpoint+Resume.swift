import Datasets
import System

/// A checkpoint that root has loaded.
package struct LoadedCheckpoint {
  let path: String
  package let state: CheckpointState
  let model: Checkpoint.Tensors
  let optimizer: Checkpoint.Tensors

  /// - Throws: `Failure(.badData)` if `state.position` is not the start of a batch of `order`.
  func verifyPosition(in order: SampleOrder) throws {
    func refuse(_ why: String, remedy: String) -> Failure {
      Failure(
        .badData, "\(path)/\(Checkpoint.stateFile): key position is \(state.position), \(why)",
        remedy: remedy)
    }
    guard state.position < order.sampleCount else {
      throw refuse(
        "and epoch \(state.epoch) has \(order.sampleCount) samples",
        remedy: "go on with the data it was trained on, or start a new run with --run DIR")
    }
    guard state.position % order.batchSize == 0 else {
      throw refuse(
        "no multiple of the batch size, \(order.batchSize)",
        remedy: "resume from another checkpoint")
    }
  }
}

extension Checkpoint {
  /// Loads the newest checkpoint in `directory` that is not damaged; nil if there are no
  /// checkpoints.
  /// - Parameter passOver: called for each newer checkpoint that is skipped, with the reason.
  /// - Throws: the Failure of the newest checkpoint, if all are damaged.
  package static func newest(
    in directory: String, passOver: (_ name: String, Failure) -> Void
  ) throws -> LoadedCheckpoint? {
    var firstFailure: Failure?
    for name in names(in: directory) {
      let path = directory + "/" + name
      do {
        let (state, model, optimizer) = try load(path)
        guard Checkpoint.name(step: state.step) == name else {
          throw Failure(
            .badData, "\(path) holds a checkpoint of step \(state.step)",
            remedy: "give it its own name")
        }
        return LoadedCheckpoint(path: path, state: state, model: model, optimizer: optimizer)
      } catch let failure as Failure {
        passOver(name, failure)
        firstFailure = firstFailure ?? failure
      }
    }
    if let firstFailure { throw firstFailure }
    return nil
  }
}

import Communication
import System
import Tensors

/// The replicated state of the ranks, and its tensors in a checkpoint.
extension StepEngine {
  /// The arenas that must be equal on all ranks.
  var replicatedArenas: [ReplicatedArena] {
    [
      ReplicatedArena("parameters", parameters, layout: layout),
      ReplicatedArena("buffers", buffers.values, layout: buffers.layout),
    ] + buffers.counters.map { ReplicatedArena($0.name, $0.tensor) }
      + (slices.isSharded ? [] : replicatedStates)
  }

  private var replicatedStates: [ReplicatedArena] {
    optimizer.state.map {
      ReplicatedArena("optimizer's \($0.name)", $0.arena, prefix: $0.name + ".", layout: layout)
    }
  }

  /// Checks that the replicated arenas are equal on all ranks.
  ///
  /// Collective: every rank.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank.
  package func verifyReplicas() throws {
    try ReplicaCheck.verify(replicatedArenas, step: step, communicator: communicator)
  }

  /// Parameters and buffers, with the names and the order of PyTorch's `state_dict()`. The
  /// parameters are views into the arena.
  package var modelTensors: [(name: String, tensor: Tensor)] {
    let tensors = Dictionary(
      uniqueKeysWithValues: layout.entries.map { ($0.name, layout.view($0, in: parameters)) }
        + buffers.named)
    return module.namedState.map { ($0.name, tensors[$0.name]!) }
  }

  /// Gathers the optimizer's whole state on root. Returns it as tensors such as "exp_avg.1.weight";
  /// nil on other ranks.
  ///
  /// Collective: every rank.
  package func gatheredOptimizerTensors() throws -> [(name: String, tensor: Tensor)]? {
    let states = try optimizer.state.map { ($0.name, try slices.gathered($0.arena)) }
    return communicator.isRoot ? optimizerTensors(states.map { ($0, $1!) }) : nil
  }

  /// Loads parameters, buffers and the optimizer's state on root, then distributes them to all
  /// ranks.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - hasOptimizerState: whether `load` fills the optimizer's tensors; the same on every rank.
  ///   - load: called on root with the tensors to fill.
  /// - Throws: Failure, the same on every rank.
  package func restore(
    hasOptimizerState: Bool,
    _ load: (
      _ model: [(name: String, tensor: Tensor)], _ optimizer: [(name: String, tensor: Tensor)]
    ) throws -> Void
  ) throws {
    // Wait until every rank has written its initial values: with shared memory they would overwrite
    // the values that root loads.
    if slices.isShared { try communicator.quietBarrier() }
    let wholeStates = hasOptimizerState ? wholeOptimizerStates() : []
    try communicator.agree(on: "loading weights") {
      if communicator.isRoot { try load(modelTensors, optimizerTensors(wholeStates)) }
    }
    try communicator.broadcast(arenas: replicatedArenas)
    for (whole, state) in zip(wholeStates, optimizer.state) where slices.isSharded {
      try slices.scatter(whole.arena, into: state.arena)
    }
  }

  /// The optimizer's state as whole arenas. If this rank has only a slice of them, these are new
  /// arenas of zeros.
  private func wholeOptimizerStates() -> [(name: String, arena: Tensor)] {
    slices.isSharded
      ? optimizer.state.map { ($0.name, Tensor(zeros: [layout.elementCount])) } : optimizer.state
  }

  private func optimizerTensors(
    _ states: [(name: String, arena: Tensor)]
  ) -> [(name: String, tensor: Tensor)] {
    states.flatMap { state in
      layout.entries.map { ("\(state.name).\($0.name)", layout.view($0, in: state.arena)) }
    }
  }
}

extension Communicator {
  /// Copies root's arenas to every rank.
  fileprivate func broadcast(arenas: [ReplicatedArena]) throws {
    for arena in arenas.map(\.arena) {
      try broadcast(
        UnsafeMutableRawBufferPointer(
          start: arena.rawPointer, count: arena.elementCount * arena.dtype.byteCount), from: root)
    }
  }
}

import Kernels
import TensorCore

extension Tensor {
  /// Computes the gradients of every leaf this tensor was made from and adds them to their `grad`.
  ///
  /// Ops run from the last to the first; gradients that meet are added in that order, so the bits
  /// depend on the graph alone. Only this engine adds gradients up.
  /// - Parameters:
  ///   - seed: the gradient of this tensor, of its shape; 1 when nil.
  ///   - retainGraph: keeps what the ops saved, for another backward pass.
  ///   - progress: is told which gradients are final while others are still being computed.
  /// - Precondition: one element where `seed` is nil; a graph that was not freed.
  public func backward(
    seed: Tensor? = nil, retainGraph: Bool = false, progress: BackwardProgress? = nil
  ) {
    guard let root = differentiation else {
      fatalError("backward: no input of this tensor requires a gradient")
    }
    require(
      seed != nil || elementCount == 1,
      "backward: a tensor of shape \(shape) needs a seed, the gradient that flows into it")
    let seed = seed ?? Ops.ones(like: value)
    require(
      seed.shape == shape && seed.dtype == dtype,
      "backward: a seed of \(seed.dtype) \(seed.shape) for a tensor of \(dtype) \(shape)")
    guard let start = root.function else {
      root.leaf?.accumulate(seed)
      return
    }
    start.collected = seed
    let functions = GradientFunction.reachable(from: start)
    progress?.count(functions)
    for function in functions {
      guard let dy = function.collected else { continue }
      function.collected = nil
      function.propagate(dy, retainGraph: retainGraph, progress)
    }
  }
}

extension GradientFunction {
  /// All functions behind `start` and itself, deepest first.
  fileprivate static func reachable(from start: GradientFunction) -> [GradientFunction] {
    var found = [start]
    start.isQueued = true
    var next = 0
    while next < found.count {
      for input in found[next].inputs {
        guard case .function(let function) = input.edge, !function.isQueued else { continue }
        function.isQueued = true
        found.append(function)
      }
      next += 1
    }
    for function in found { function.isQueued = false }
    // A chain, the usual case, is already in order.
    if zip(found, found.dropFirst()).allSatisfy({ $0.depth >= $1.depth }) { return found }
    // Among equals the order of discovery decides, so that the bits never depend on the sort.
    return found.enumerated().sorted {
      ($1.element.depth, $0.offset) < ($0.element.depth, $1.offset)
    }
    .map(\.element)
  }

  fileprivate func propagate(_ dy: Tensor, retainGraph: Bool, _ progress: BackwardProgress?) {
    guard let backward else {
      fatalError(
        "backward: a second pass through \(self), whose saved tensors were freed by the first; "
          + "pass retainGraph: true to the first")
    }
    requireUnchanged()
    let gradients = backward(dy, GradientRequest(function: self, progress: progress))
    if !retainGraph { self.backward = nil }
    require(
      gradients.count == inputs.count,
      "\(self) returned \(gradients.count) gradients for \(inputs.count) inputs")
    for (index, input) in inputs.enumerated() {
      if case .none = input.edge { continue }
      guard let gradient = gradients[index] else {
        if case .leaf(let leaf) = input.edge { progress?.noteContribution(to: leaf) }
        continue
      }
      require(
        gradient.shape == input.shape && gradient.dtype == input.dtype,
        "\(self) returned a gradient of \(gradient.dtype) \(gradient.shape) for input \(index) of "
          + "\(input.dtype) \(input.shape)")
      switch input.edge {
      case .none: break
      case .leaf(let leaf):
        leaf.accumulate(gradient)
        progress?.noteContribution(to: leaf)
      case .function(let function):
        function.collected = function.collected.map { Ops.add($0, gradient) } ?? gradient
      }
    }
  }
}

/// The engine's own arithmetic.
enum Ops {
  static func add(_ x: Tensor, _ y: Tensor, into destination: Tensor? = nil) -> Tensor {
    Kernels.add(x, y, into: destination)
  }

  static func copy(_ source: Tensor, into destination: Tensor) {
    let source = source.contiguous()
    // To copy memory is no use of the tensor that the compiler sees.
    withExtendedLifetime(source) {
      destination.rawPointer.copyMemory(
        from: source.rawPointer, byteCount: source.elementCount * source.dtype.byteCount)
    }
  }

  static func ones(like tensor: Tensor) -> Tensor {
    tensor.dtype == .float64
      ? Tensor([Double](repeating: 1, count: tensor.elementCount), shape: tensor.shape)
      : Tensor([Float](repeating: 1, count: tensor.elementCount), shape: tensor.shape)
  }
}

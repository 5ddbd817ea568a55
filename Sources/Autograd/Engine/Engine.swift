import Kernels
import System
import Tensors

extension Tensor {
  /// Computes the gradients of all leaves that this tensor was computed from, and adds them to
  /// their `grad`.
  ///
  /// The derivatives run from the last op to the first. Gradients of the same tensor are added in
  /// that order, so the bits depend on the graph alone. Only this engine accumulates gradients.
  /// - Parameters:
  ///   - seed: the gradient of this tensor, of its shape and dtype; nil: 1.
  ///   - retainGraph: keeps the tensors that the ops saved, for another backward pass.
  ///   - progress: is told which gradients are final while others are still being computed.
  /// - Precondition: `seed` is given, or the tensor has one element; the graph was not freed.
  public func backward(
    seed: Tensor? = nil, retainGraph: Bool = false, progress: BackwardProgress? = nil
  ) {
    guard let root = gradientTarget else {
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
      var collected: Tensor?
      swap(&collected, &function.collected)
      guard let dy = collected else { continue }
      function.propagate(dy, retainGraph: retainGraph, progress)
    }
  }
}

extension GradientFunction {
  /// `start` and all functions that its inputs were computed by, deepest first.
  fileprivate static func reachable(from start: GradientFunction) -> [GradientFunction] {
    var found: [GradientFunction] = []
    found.reserveCapacity(16)
    found.append(start)
    start.isQueued = true
    var next = 0
    // A chain, the usual case, is found in order and needs no sort.
    var isInOrder = true
    while next < found.count {
      let function = found[next]
      for index in function.targets.indices {
        guard let input = function.targets[index]?.function, !input.isQueued else { continue }
        input.isQueued = true
        if input.depth > found[found.count - 1].depth { isInOrder = false }
        found.append(input)
      }
      next += 1
    }
    for function in found { function.isQueued = false }
    if isInOrder { return found }
    // Functions of equal depth stay in the order they were found, so the bits do not depend on the
    // sort.
    return found.enumerated().sorted {
      ($1.element.depth, $0.offset) < ($0.element.depth, $1.offset)
    }
    .map(\.element)
  }

  fileprivate func propagate(_ dy: Tensor, retainGraph: Bool, _ progress: BackwardProgress?) {
    // Moved out: a copy would count references, which slows down the steps of small networks.
    var derivative: Derivative?
    swap(&derivative, &self.derivative)
    if retainGraph { self.derivative = derivative }
    guard let derivative else {
      fatalError(
        "backward: a second pass through \(self), whose saved tensors were freed by the first; "
          + "pass retainGraph: true to the first")
    }
    requireUnchanged()
    let request = GradientRequest(function: self, progress: progress)
    switch derivative {
    case .ofGradient(let backward): passAll(backward(dy), progress)
    case .onRequest(let backward): passAll(backward(dy, request), progress)
    case .giving(let backward): backward(dy, request)
    }
  }

  private func passAll(_ gradients: [Tensor?], _ progress: BackwardProgress?) {
    require(
      gradients.count == targets.count,
      "\(self) returned \(gradients.count) gradients for \(targets.count) inputs")
    for index in targets.indices { pass(gradients[index], along: index, progress) }
  }

  /// Adds `gradient` to the gradient collected for input `index`; nil if there is none.
  func pass(_ gradient: Tensor?, along index: Int, _ progress: BackwardProgress?) {
    guard let target = targets[index] else { return }
    if let gradient {
      require(
        gradient.shape == target.shape && gradient.dtype == target.dtype,
        "\(self) returned a gradient of \(gradient.dtype) \(gradient.shape) for input \(index) of "
          + "\(target.dtype) \(target.shape)")
    }
    if let leaf = target.leaf {
      if let gradient { leaf.accumulate(gradient) }
      progress?.noteContribution(to: leaf)
    } else if let gradient, let function = target.function {
      function.collected = function.collected.map { Ops.add($0, gradient) } ?? gradient
    }
  }
}

/// The arithmetic of the engine itself.
enum Ops {
  static func add(_ x: Tensor, _ y: Tensor, into destination: Tensor? = nil) -> Tensor {
    Kernels.add(x, y, into: destination)
  }

  static func copy(_ source: Tensor, into destination: Tensor) {
    let source = source.contiguous()
    // The compiler does not see that copyMemory reads the tensor's memory.
    withExtendedLifetime(source) {
      destination.rawPointer.copyMemory(
        from: source.rawPointer, byteCount: source.elementCount * source.dtype.byteCount)
    }
  }

  static func ones(like tensor: Tensor) -> Tensor {
    let ones = Tensor(uninitialized: tensor.shape, tensor.dtype)
    if tensor.dtype == .float64 {
      ones.pointer(Double.self).update(repeating: 1, count: ones.elementCount)
    } else {
      ones.pointer(Float.self).update(repeating: 1, count: ones.elementCount)
    }
    return ones
  }
}

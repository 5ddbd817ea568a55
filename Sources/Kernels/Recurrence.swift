import CKernels
import Tensors

/// A plain recurrent layer in one direction over a whole series, as one kernel: T steps of N samples with
/// H hidden features, h[t] = f(x[t] + (W h[t - 1] + b)).
public struct Recurrence {
  /// f: max(., 0), or tanh.
  public let isReLU: Bool
  /// Whether time runs from the last step to the first.
  public let isBackward: Bool

  public init(isReLU: Bool, isBackward: Bool) {
    self.isReLU = isReLU
    self.isBackward = isBackward
  }

  /// - Parameters:
  ///   - x: what comes from the input, [T, N, H] float32.
  ///   - start: the state before the first step, [N, H].
  ///   - weight: W, [H, H].  bias: b, [H].
  /// - Returns: all states, [T + 1, N, H]: `start` lies at the end from which time runs, and step t's
  ///   state at t + 1, or at t if `isBackward`.
  public func states(_ x: Tensor, start: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
    let (x, start, weight, bias) = (
      x.contiguous(), start.contiguous(), weight.contiguous(), bias?.contiguous()
    )
    let states = Tensor(uninitialized: [x.shape[0] + 1, x.shape[1], x.shape[2]])
    states.slicedView(axis: 0, start: isBackward ? x.shape[0] : 0, count: 1)
      .overwrite(with: start.viewed(as: [1, x.shape[1], x.shape[2]]))
    clocked {
      run(x.shape) { recurrence, scratch in
        nd_recurrence_forward(
          &recurrence, states.floats, x.floats, weight.floats, bias?.floats, scratch)
      }
    }
    return states
  }

  /// The gradients of x and of the state before the first step.
  /// - Parameters:
  ///   - dy: of the states of all steps, [T, N, H] float32.
  ///   - states: what `states` returned.
  ///   - weight: as it was then.
  /// - Returns: [T, N, H] and [N, H].
  public func gradients(_ dy: Tensor, states: Tensor, weight: Tensor) -> (x: Tensor, start: Tensor)
  {
    let (dy, weight) = (dy.contiguous(), weight.contiguous())
    let dx = Tensor(uninitialized: dy.shape)
    let dstart = Tensor(uninitialized: [dy.shape[1], dy.shape[2]])
    clocked {
      run(dy.shape) { recurrence, scratch in
        nd_recurrence_backward(
          &recurrence, dx.floats, dstart.floats, dy.floats, states.floats, weight.floats, scratch)
      }
    }
    return (dx, dstart)
  }

  /// Of what `states` returned, the states of the steps, or those before the steps: [T, N, H].
  public func steps(_ states: Tensor, before: Bool) -> Tensor {
    states.slicedView(axis: 0, start: before == isBackward ? 1 : 0, count: states.shape[0] - 1)
  }

  private func run(
    _ shape: Shape, _ kernel: (inout nd_recurrence, UnsafeMutablePointer<Float>) -> Void
  ) {
    var recurrence = nd_recurrence(
      steps: shape[0], samples: shape[1], hidden: shape[2], is_backward: isBackward ? 1 : 0,
      is_relu: isReLU ? 1 : 0)
    let byteCount = nd_recurrence_scratch_count(&recurrence) * MemoryLayout<Float>.size
    let context = KernelContext.current
    context.count(multiplications: shape.elementCount * shape[2])
    kernel(&recurrence, context.scratch(byteCount).assumingMemoryBound(to: Float.self))
  }
}

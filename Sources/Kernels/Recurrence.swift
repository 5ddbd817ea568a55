import CKernels
import Tensors

/// An Elman recurrent layer in one direction over a whole sequence, as one kernel: T steps of N
/// samples with H hidden features, h[t] = f(x[t] + (W h[t - 1] + b)).
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
  ///   - x: the input's contribution to each step, [T, N, H] float32.
  ///   - start: the state before the first step, [N, H].
  ///   - weight: W, [H, H].  bias: b, [H].
  /// - Returns: all states, [T + 1, N, H]. The state after step t is at t + 1, and `start` at 0. If
  ///   `isBackward`, it is at t, and `start` at T.
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
  ///   - dy: the gradient of the states after all steps, [T, N, H] float32.
  ///   - states: the result of `states`.
  ///   - weight: the weight that `states` was called with.
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

  /// The part of the result of `states` with the state after each step, or, if `before`, before
  /// each step: [T, N, H].
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

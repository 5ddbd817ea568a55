import CKernels
import System
import Tensors

/// Elementwise functions whose derivative can be computed from their result, so that the result may
/// overwrite the operand. They are applied after linear layers.
public enum OutputActivation: String, Sendable {
  /// max(x, 0);  dx = dy where y > 0, else 0.
  case relu
  /// 1 / (1 + e^-x);  dx = dy y (1 - y).
  case sigmoid
  /// tanh x;  dx = dy (1 - y^2).
  case tanh
}

/// f(x), element by element; overwrites x if it is float32.
/// - x: contiguous, float32 or float64, and exclusively owned by the caller.
public func activated(_ x: Tensor, by activation: OutputActivation) -> Tensor {
  require(x.isContiguous, "activated: a view of shape \(x.shape) is somebody else's")
  if x.dtype == .float32 {
    clocked {
      switch activation {
      case .relu: nd_relu(x.floats, x.floats, x.elementCount)
      case .sigmoid: nd_sigmoid(x.floats, x.floats, x.elementCount)
      case .tanh: nd_tanh(x.floats, x.floats, x.elementCount)
      }
    }
    return x
  }
  return switch activation {
  case .relu: relu(x)
  case .sigmoid: apply(.sigmoid, x)
  case .tanh: apply(.elementary(.tanh), x)
  }
}

/// dx = dy f'(x), from y = f(x).
/// - dy, y: one shape; float32 or float64.  Returns their shape.
public func activationBackward(_ activation: OutputActivation, _ dy: Tensor, y: Tensor) -> Tensor {
  switch activation {
  case .relu: reluBackward(dy, y: y)
  case .sigmoid: backward(.sigmoid, dy, y: y)
  case .tanh: backward(.elementary(.tanh), dy, y: y)
  }
}

/// `activationBackward` and the `columnSums` of dx, in one pass for float32.
/// - dy, y: [R, C].  sums: receives the sums; nil: a new tensor.  Returns [R, C] and [C].
public func activationBackwardAndColumnSums(
  _ activation: OutputActivation, _ dy: Tensor, y: Tensor, sums destination: Tensor?
) -> (dx: Tensor, sums: Tensor) {
  require(
    dy.shape == y.shape && y.axisCount == 2,
    "\(activation) backward: dy of shape \(dy.shape) for y of shape \(y.shape)")
  guard dy.dtype == .float32, y.dtype == .float32 else {
    let dx = activationBackward(activation, dy, y: y)
    return (dx, columnSums(dx, into: destination))
  }
  let (dy, y) = (dy.contiguous(), y.contiguous())
  let (rows, columns) = (y.shape[0], y.shape[1])
  let dx = Tensor(uninitialized: y.shape)
  let sums = result("activationBackwardAndColumnSums", Shape(columns), .float32, into: destination)
  keepingAlive(dy, y, dx, sums) {
    let (target, total, from, result) = (dx.floats, sums.floats, dy.floats, y.floats)
    clocked {
      switch activation {
      case .relu: nd_relu_backward_and_sums(target, total, from, result, rows, columns)
      case .sigmoid: nd_sigmoid_backward_and_sums(target, total, from, result, rows, columns)
      case .tanh: nd_tanh_backward_and_sums(target, total, from, result, rows, columns)
      }
    }
  }
  return (dx, sums)
}

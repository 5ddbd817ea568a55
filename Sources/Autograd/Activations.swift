import Kernels
import TensorCore

/// y = max(x, 0);  dx = dy where y > 0, else 0 (0 at 0, as in PyTorch).
/// - x: any shape.  Returns x's shape.
public func relu(_ x: Tensor) -> Tensor {
  let y = Kernels.relu(x.value)
  return record("relu", inputs: [x], value: y) { dy in [Kernels.reluBackward(dy, y: y)] }
}

import CKernels
import System
import Tensors

/// max(x, 0); NaN stays NaN.
/// - x: any shape.  Returns x's shape.
/// - Precondition: x is not bool.
public func relu(_ x: Tensor) -> Tensor {
  switch x.dtype {
  case .float32, .float64: break
  case .int32: return mapElements(x) { (v: Int32) in max(v, 0) }
  case .int64: return mapElements(x) { (v: Int64) in max(v, 0) }
  case .uint8: return x.copied()
  case .bool:
    fatalError("relu: needs numbers, not bool; convert the tensor of shape \(x.shape) with to(_:)")
  }
  let x = x.dense()
  let y = Tensor(uninitializedLike: x)
  dispatch("relu", x) {
    nd_relu(y.floats, x.floats, x.elementCount)
  } reference: {
    Reference.relu(x.doubleElements, y.doubleElements)
  }
  return y
}

/// dx = dy where y > 0, else 0: the gradient of `relu` from its result y.
/// - Precondition: both operands have the same shape and dtype.
public func reluBackward(_ dy: Tensor, y: Tensor) -> Tensor {
  require(dy.shape == y.shape, "relu backward: dy of shape \(dy.shape) for y of shape \(y.shape)")
  let y = y.dense()
  let dy = dy.laidOut(like: y)
  let dx = Tensor(uninitializedLike: y)
  dispatch("relu backward", dy, y) {
    nd_relu_backward(dx.floats, dy.floats, y.floats, y.elementCount)
  } reference: {
    Reference.reluBackward(dy.doubleElements, y.doubleElements, dx.doubleElements)
  }
  return dx
}

/// x + y, element by element.
/// - Precondition: both operands have the same shape and dtype.
public func add(_ x: Tensor, _ y: Tensor, into destination: Tensor? = nil) -> Tensor {
  require(x.shape == y.shape, "add: shapes \(x.shape) and \(y.shape) differ")
  let (x, y) = (x.contiguous(), y.contiguous())
  let z = result("add", x.shape, x.dtype, into: destination)
  dispatch("add", x, y) {
    nd_add(z.floats, x.floats, y.floats, x.elementCount)
  } reference: {
    Reference.add(x.doubleElements, y.doubleElements, z.doubleElements)
  }
  return z
}

/// x y, element by element.
/// - Precondition: both operands have the same shape and dtype.
public func multiply(_ x: Tensor, _ y: Tensor) -> Tensor {
  require(x.shape == y.shape, "multiply: shapes \(x.shape) and \(y.shape) differ")
  let (x, y) = (x.contiguous(), y.contiguous())
  let z = Tensor(uninitialized: x.shape, x.dtype)
  dispatch("multiply", x, y) {
    nd_multiply(z.floats, x.floats, y.floats, x.elementCount)
  } reference: {
    Reference.multiply(x.doubleElements, y.doubleElements, z.doubleElements)
  }
  return z
}

/// A new tensor of `shape`, filled with the one element of `value`.
public func repeated(_ value: Tensor, shape: Shape) -> Tensor {
  let y = Tensor(uninitialized: shape, value.dtype)
  let number = value.item()
  dispatch("repeated", value) {
    y.floats.update(repeating: Float(number), count: y.elementCount)
  } reference: {
    y.doubles.update(repeating: number, count: y.elementCount)
  }
  return y
}

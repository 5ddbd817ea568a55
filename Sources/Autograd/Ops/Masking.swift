import Kernels
import System
import Tensors

extension Tensor {
  /// `number` where the mask is true, else x, broadcast;  dx = dy where the mask is false, else 0.
  /// - mask: bool, with a shape that broadcasts with x's shape.
  public func maskedFilled(_ mask: Tensor, _ number: Double) -> Tensor {
    let shape = self.shape
    let y = Kernels.select(mask, value.scalar(number), value)
    return record("maskedFill", inputs: [self, mask], value: y, saving: [mask]) { dy in
      [unbroadcast(Kernels.select(mask, dy.scalar(0), dy), to: shape), nil]
    }
  }

  /// The elements where the mask is true, in row-major order, as a vector;  dx = dy there, else 0.
  /// - mask: bool, with a shape that broadcasts to x's shape.
  public func maskedSelected(_ mask: Tensor) -> Tensor {
    let indices = maskedIndices(mask, of: shape, op: "maskedSelect")
    let flat = value.viewed(as: [elementCount])
    let shape = self.shape
    let y = Kernels.gather(flat, axis: 0, index: indices)
    return record("maskedSelect", inputs: [self], value: y, saving: []) { dy in
      let dx = Kernels.scatterAdd(dy, axis: 0, index: indices, shape: [shape.elementCount])
      return [dx.viewed(as: shape)]
    }
  }

  /// Writes `number` in place where the mask is true; PyTorch's `x[mask] = number`.
  /// - mask: bool, with a shape that broadcasts to x's shape.
  /// - Precondition: no gradient flows through x: it is detached, or the call is within `noGrad`.
  public func assign(_ number: Double, where mask: Tensor) {
    assign(value.scalar(number), where: mask)
  }

  /// Writes `source` in place where the mask is true. `source` is broadcast to x's shape; or it is
  /// a vector with one value for each true element of the mask.
  /// - mask: bool, with a shape that broadcasts to x's shape.
  /// - Precondition: same dtype; no gradient flows through x or source: both are detached, or the
  ///   call is within `noGrad`.
  public func assign(_ source: Tensor, where mask: Tensor) {
    require(
      !isRecording || !(requiresGrad || source.requiresGrad),
      "assign: a gradient flows through the tensor, which writing in place would break; use "
        + "Tensor.where or maskedFilled, or write within noGrad")
    require(
      source.dtype == dtype,
      "assign: \(source.dtype) values into a tensor of \(dtype); convert them with to(_:)")
    require(
      shape.indices.allSatisfy { shape[$0] <= 1 || strides[$0] != 0 },
      "assign: an expanded tensor's elements share memory; write into its copied()")
    let indices = maskedIndices(mask, of: shape, op: "assign")
    if source.axisCount == 1 && source.elementCount == indices.elementCount {
      let flat = value.copied()
      let (width, from) = (dtype.byteCount, source.value.contiguous())
      withExtendedLifetime(from) {
        for (i, index) in indices.values(Int64.self).enumerated() {
          (flat.rawPointer + Int(index) * width).copyMemory(
            from: from.rawPointer + i * width, byteCount: width)
        }
      }
      return overwrite(with: flat)
    }
    require(
      broadcastShape(source.shape, shape, op: "assign") == shape,
      "assign: values of shape \(source.shape) do not broadcast to \(shape)")
    overwrite(with: Kernels.select(mask, source.value, value))
  }

  /// Writes `source`, broadcast, to all elements in place. For example a manual step of gradient
  /// descent: `noGrad { w.assign(w - rate * w.grad!) }`.
  /// - Precondition: as for `assign(_:where:)`.
  public func assign(_ source: Tensor) {
    assign(source, where: Tensor(scalar: true))
  }
}

/// The row-major indices in `shape` where the mask is true: int64.
private func maskedIndices(_ mask: Tensor, of shape: Shape, op: String) -> Tensor {
  require(mask.dtype == .bool, "\(op): the mask must be bool, not \(mask.dtype)")
  require(
    broadcastShape(mask.shape, shape, op: op) == shape,
    "\(op): a mask of shape \(mask.shape) does not broadcast to \(shape)")
  let flags = mask.broadcastView(to: shape).values(Bool.self)
  return Tensor(flags.indices.filter { flags[$0] }.map { Int64($0) })
}

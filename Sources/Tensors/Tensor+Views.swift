import System

extension Tensor {
  /// The same elements in another shape: a view if the tensor is contiguous, otherwise a copy.
  /// - Precondition: the new shape has the same number of elements.
  public func viewed(as newShape: Shape) -> Tensor {
    require(
      newShape.elementCount == elementCount,
      "reshape: shape \(shape) has \(elementCount) elements, \(newShape) has \(newShape.elementCount)"
    )
    let source = contiguous()
    return Tensor(
      storage: source.storage, shape: newShape, strides: newShape.contiguousStrides,
      offset: source.offset, dtype: dtype)
  }

  /// A view of a matrix with its two axes swapped.
  /// - Precondition: the tensor has 2 axes.
  public var transposedView: Tensor {
    require(axisCount == 2, "transpose: shape \(shape) is not a matrix")
    var swapped = Strides(axisCount: 2)
    swapped[0] = strides[1]
    swapped[1] = strides[0]
    return Tensor(
      storage: storage, shape: Shape(shape[1], shape[0]), strides: swapped, offset: offset,
      dtype: dtype)
  }

  /// A view with its axes in another order: axis i of the view is axis `order[i]`. Not recorded.
  /// - Precondition: `order` contains every axis exactly once.
  package func permutedView(_ order: [Int]) -> Tensor {
    require(
      order.sorted() == Array(0..<axisCount),
      "permute: \(order) is no order of the axes of \(shape)")
    var steps = Strides(axisCount: axisCount)
    for (axis, from) in order.enumerated() { steps[axis] = strides[from] }
    return Tensor(
      storage: storage, shape: Shape(order.map { shape[$0] }), strides: steps, offset: offset,
      dtype: dtype)
  }

  /// A view with two axes swapped.
  /// - Precondition: both axes exist.
  package func transposedView(_ first: Int, _ second: Int) -> Tensor {
    let extents = shape.with(shape[second], at: first).with(shape[first], at: second)
    var steps = strides
    (steps[first], steps[second]) = (strides[second], strides[first])
    return Tensor(storage: storage, shape: extents, strides: steps, offset: offset, dtype: dtype)
  }

  /// A view of the indices `range` of the first axis. Unlike `x[range]`, it is not recorded.
  public func rows(_ range: Range<Int>) -> Tensor {
    require(
      axisCount >= 1 && range.lowerBound >= 0 && range.upperBound <= shape[0],
      "rows \(range) are not within shape \(shape)")
    return Tensor(
      storage: storage, shape: Shape([range.count] + shape.dropFirst()), strides: strides,
      offset: offset + range.lowerBound * strides[0], dtype: dtype)
  }

  /// A view of `count` indices of `axis`: every `step`-th one, starting at `start`. Not recorded.
  /// - Precondition: the indices exist.
  package func slicedView(axis: Int, start: Int, count: Int, step: Int = 1) -> Tensor {
    require(
      step > 0 && start >= 0 && count >= 0
        && (count == 0 || start + (count - 1) * step < shape[axis]),
      "slice: \(count) indices from \(start) by \(step) are not within axis \(axis) of \(shape)")
    var (extents, steps) = (Array(shape), strides)
    extents[axis] = count
    steps[axis] *= step
    return Tensor(
      storage: storage, shape: Shape(extents), strides: steps,
      offset: count == 0 ? offset : offset + start * strides[axis], dtype: dtype)
  }

  /// Copies the elements of `source` into this view. Both may have any strides. Not recorded.
  /// - Precondition: same shape and dtype; the elements of this view do not share memory.
  package func overwrite(with source: Tensor) {
    require(
      source.shape == shape && source.dtype == dtype,
      "write: \(source.dtype) \(source.shape) into \(dtype) \(shape)")
    storage.markWritten()
    switch dtype.byteCount {
    case 8: overwrite(with: source.contiguous(), as: UInt64.self)
    case 4: overwrite(with: source.contiguous(), as: UInt32.self)
    default: overwrite(with: source.contiguous(), as: UInt8.self)
    }
  }

  private func overwrite<Bits: BitwiseCopyable>(with source: Tensor, as type: Bits.Type) {
    let values = source.rawPointer.assumingMemoryBound(to: Bits.self)
    let target = storage.base.assumingMemoryBound(to: Bits.self)
    var next = 0
    withExtendedLifetime(source) {
      forEachOffset { to in
        target[to] = values[next]
        next += 1
      }
    }
  }

  /// The same values in row-major order without gaps: the tensor itself if it already is, otherwise
  /// a copy that is not recorded.
  public func contiguous() -> Tensor { isContiguous ? self : copied() }

  /// A new row-major tensor with the same values. Not recorded: no gradient flows through it.
  public func copied() -> Tensor {
    if dtype.byteCount == 4 && isChannelsLast && !isContiguous { return copiedFromChannelsLast() }
    let result = Tensor(uninitialized: shape, dtype)
    switch dtype.byteCount {
    case 8: copyElements(to: result, as: UInt64.self)
    case 4: copyElements(to: result, as: UInt32.self)
    default: copyElements(to: result, as: UInt8.self)
    }
    return result
  }

  private func copyElements<Bits: BitwiseCopyable>(to result: Tensor, as type: Bits.Type) {
    let source = storage.base.assumingMemoryBound(to: Bits.self)
    let target = result.rawPointer.assumingMemoryBound(to: Bits.self)
    if isContiguous {
      target.update(from: source + offset, count: elementCount)
      return
    }
    var next = 0
    forEachOffset { from in
      target[next] = source[from]
      next += 1
    }
  }

  /// Calls `body` with the storage index of every element, in row-major order.
  public func forEachOffset(_ body: (Int) -> Void) {
    func walk(_ axis: Int, _ start: Int) {
      if axis == axisCount { return body(start) }
      for i in 0..<shape[axis] { walk(axis + 1, start + i * strides[axis]) }
    }
    walk(0, offset)
  }

  /// All values in row-major order.
  /// - Precondition: `type` is the tensor's dtype.
  public func values<Scalar: TensorScalar>(_ type: Scalar.Type = Scalar.self) -> [Scalar] {
    let source = contiguous()
    // `source` may be a copy that only this function holds, and the compiler does not see that its
    // memory is still read.
    return withExtendedLifetime(source) {
      Array(UnsafeBufferPointer(start: source.pointer(Scalar.self), count: elementCount))
    }
  }

  /// The value of a tensor with one element, as a Double.
  /// - Precondition: one element.
  public func item() -> Double {
    require(elementCount == 1, "item: shape \(shape) has \(elementCount) elements, not one")
    return switch dtype {
    case .float32: Double(pointer(Float.self).pointee)
    case .float64: pointer(Double.self).pointee
    case .int32: Double(pointer(Int32.self).pointee)
    case .int64: Double(pointer(Int64.self).pointee)
    case .uint8: Double(pointer(UInt8.self).pointee)
    case .bool: pointer(Bool.self).pointee ? 1 : 0
    }
  }
}

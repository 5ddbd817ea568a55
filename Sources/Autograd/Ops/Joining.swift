import Kernels
import System
import Tensors

extension Tensor {
  /// Concatenates the tensors along `axis`;  dx of each = its part of dy.
  /// - Precondition: at least one tensor; same dtype; same shape except along `axis`. An empty
  ///   vector fits every shape, as in PyTorch, so that a loop can start with it.
  public static func cat(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
    require(!tensors.isEmpty, "cat: no tensors")
    let parts = tensors.filter { $0.shape != [0] }
    guard let first = parts.first else { return tensors[0] }
    let axis = normalizedAxes([axis], first.shape, op: "cat")[0]
    for (i, part) in parts.enumerated() {
      require(
        part.dtype == first.dtype,
        "cat: tensor 0 is \(first.dtype) and tensor \(i) \(part.dtype); convert one with to(_:)")
      require(
        part.axisCount == first.axisCount
          && part.shape.indices.allSatisfy { $0 == axis || part.shape[$0] == first.shape[$0] },
        "cat: shapes \(first.shape) and \(part.shape) differ outside axis \(axis)")
    }
    return joined("cat", parts, axis: axis) { $0 }
  }

  /// Concatenates the tensors along a new axis, which is axis `axis` of the result;  dx of each =
  /// its part of dy.
  /// - Precondition: at least one tensor; same shape and dtype.
  public static func stack(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
    require(!tensors.isEmpty, "stack: no tensors")
    let first = tensors[0]
    for (i, part) in tensors.enumerated() {
      require(
        part.dtype == first.dtype && part.shape == first.shape,
        "stack: tensor 0 is \(first.dtype) \(first.shape) and tensor \(i) \(part.dtype) "
          + "\(part.shape); use cat along an axis they have")
    }
    let index = axis < 0 ? axis + first.axisCount + 1 : axis
    require(
      index >= 0 && index <= first.axisCount,
      "stack: no place for axis \(axis) in shape \(first.shape)")
    return joined("stack", tensors, axis: index) { shape in
      var extents = Array(shape)
      extents.insert(1, at: index)
      return Shape(extents)
    }
  }

  /// The op of `cat` and `stack`.
  /// - partShape: gives the shape in which a part is concatenated, from the part's own shape.
  private static func joined(
    _ name: String, _ parts: [Tensor], axis: Int, _ partShape: (Shape) -> Shape
  ) -> Tensor {
    let shapes = parts.map { partShape($0.shape) }
    var starts: [Int] = []
    var extent = 0
    for shape in shapes {
      starts.append(extent)
      extent += shape[axis]
    }
    let y = Tensor(uninitialized: shapes[0].with(extent, at: axis), parts[0].dtype)
    for (i, part) in parts.enumerated() {
      copyBlocks(of: part.value.viewed(as: shapes[i]), into: y, axis: axis, from: starts[i])
    }
    let originals = parts.map(\.shape)
    return record(name, inputs: parts, value: y, saving: []) { dy, request in
      shapes.indices.map { i -> Tensor? in
        if !request.isNeeded(i) { return nil }
        let part = dy.slicedView(axis: axis, start: starts[i], count: shapes[i][axis])
        return shapes[i] == originals[i] ? part : part.viewed(as: originals[i])
      }
    }
  }

  /// Splits the tensor into pieces of `size` along `axis`. The last piece may be smaller.
  public func split(_ size: Int, axis: Int = 0) -> [Tensor] {
    require(size > 0, "split: pieces of \(size)")
    let axis = normalizedAxes([axis], shape, op: "split")[0]
    let extent = shape[axis]
    if extent == 0 { return [narrow(axis: axis, start: 0, count: 0)] }
    return stride(from: 0, to: extent, by: size).map {
      narrow(axis: axis, start: $0, count: Swift.min(size, extent - $0))
    }
  }

  /// Splits the tensor into pieces of these sizes along `axis`.
  /// - Precondition: the sizes add up to the extent of the axis.
  public func split(sizes: [Int], axis: Int = 0) -> [Tensor] {
    let axis = normalizedAxes([axis], shape, op: "split")[0]
    require(
      sizes.reduce(0, +) == shape[axis] && sizes.allSatisfy { $0 >= 0 },
      "split: sizes \(sizes) do not add up to axis \(axis) of \(shape)")
    var next = 0
    return sizes.map { size in
      next += size
      return narrow(axis: axis, start: next - size, count: size)
    }
  }

  /// Splits the tensor into at most `count` pieces of equal size along `axis`. The last piece may
  /// be smaller.
  public func chunk(_ count: Int, axis: Int = 0) -> [Tensor] {
    require(count > 0, "chunk: \(count) pieces")
    let axis = normalizedAxes([axis], shape, op: "chunk")[0]
    return split(Swift.max((shape[axis] + count - 1) / count, 1), axis: axis)
  }

  /// The slices along the first axis, without that axis: `for row in x.unstacked()`.
  public func unstacked() -> [Tensor] {
    require(axisCount > 0, "unstacked: a scalar has no first axis")
    return (0..<shape[0]).map { self[$0] }
  }
}

/// Copies `part` into `whole`, to the indices along `axis` from `start` on.
/// - Precondition: `whole` is contiguous; the dtypes and the extents of the other axes are equal.
func copyBlocks(of part: Tensor, into whole: Tensor, axis: Int, from start: Int) {
  require(
    part.dtype == whole.dtype
      && part.shape.indices.allSatisfy { $0 == axis || part.shape[$0] == whole.shape[$0] },
    "joined: \(part.dtype) \(part.shape) does not fit \(whole.dtype) \(whole.shape) along axis \(axis)"
  )
  let source = part.contiguous()
  let inner = part.shape[(axis + 1)...].reduce(part.dtype.byteCount, *)
  let outer = part.shape[..<axis].reduce(1, *)
  let (width, stride) = (part.shape[axis] * inner, whole.shape[axis] * inner)
  for block in 0..<outer {
    (whole.rawPointer + block * stride + start * inner).copyMemory(
      from: source.rawPointer + block * width, byteCount: width)
  }
  withExtendedLifetime(source) {}
}

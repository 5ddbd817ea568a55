import Kernels
import System
import Tensors

extension Tensor {
  /// The tensors one after another along `axis`;  each dx = its part of dy.
  /// - Precondition: at least one tensor; one dtype; one shape but along `axis`. A list without
  ///   elements fits everywhere, as in PyTorch, so that one can begin with it.
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
    return joined("cat", parts, axis: axis, extents: parts.map { $0.shape[axis] }) { $0 }
  }

  /// The tensors side by side along a new axis before `axis`;  each dx = its part of dy.
  /// - Precondition: at least one tensor; one shape and dtype.
  public static func stack(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
    require(!tensors.isEmpty, "stack: no tensors")
    let first = tensors[0]
    for (i, part) in tensors.enumerated() {
      require(
        part.dtype == first.dtype && part.shape == first.shape,
        "stack: tensor 0 is \(first.dtype) \(first.shape) and tensor \(i) \(part.dtype) "
          + "\(part.shape); use cat along an axis they have")
    }
    let place = axis < 0 ? axis + first.axisCount + 1 : axis
    require(
      place >= 0 && place <= first.axisCount,
      "stack: no place for axis \(axis) in shape \(first.shape)")
    let ones = [Int](repeating: 1, count: tensors.count)
    return joined("stack", tensors, axis: place, extents: ones) { shape in
      var extents = Array(shape)
      extents.insert(1, at: place)
      return Shape(extents)
    }
  }

  /// `extents`: of the parts along `axis`, once they are seen under the shape `asPart` gives.
  private static func joined(
    _ name: String, _ parts: [Tensor], axis: Int, extents: [Int], _ asPart: (Shape) -> Shape
  ) -> Tensor {
    var whole = Array(asPart(parts[0].shape))
    whole[axis] = extents.reduce(0, +)
    let y = Tensor(uninitialized: Shape(whole), parts[0].dtype)
    var starts: [Int] = []
    var next = 0
    for (part, extent) in zip(parts, extents) {
      y.slicedView(axis: axis, start: next, count: extent)
        .overwrite(with: part.value.viewed(as: asPart(part.shape)))
      starts.append(next)
      next += extent
    }
    let shapes = parts.map(\.shape)
    return record(name, inputs: parts, value: y, saving: []) { dy in
      shapes.indices.map { i in
        dy.slicedView(axis: axis, start: starts[i], count: extents[i]).viewed(as: shapes[i])
      }
    }
  }

  /// Pieces of `size` along `axis`, the last perhaps smaller.
  public func split(_ size: Int, axis: Int = 0) -> [Tensor] {
    require(size > 0, "split: pieces of \(size)")
    let axis = normalizedAxes([axis], shape, op: "split")[0]
    let extent = shape[axis]
    if extent == 0 { return [narrow(axis: axis, start: 0, count: 0)] }
    return stride(from: 0, to: extent, by: size).map {
      narrow(axis: axis, start: $0, count: Swift.min(size, extent - $0))
    }
  }

  /// Pieces of these sizes along `axis`.
  /// - Precondition: the sizes add up to its extent.
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

  /// At most `count` pieces of one size along `axis`, the last perhaps smaller.
  public func chunk(_ count: Int, axis: Int = 0) -> [Tensor] {
    require(count > 0, "chunk: \(count) pieces")
    let axis = normalizedAxes([axis], shape, op: "chunk")[0]
    return split(Swift.max((shape[axis] + count - 1) / count, 1), axis: axis)
  }

  /// The slices along the first axis, which they lack: `for row in x.unstacked()`.
  public func unstacked() -> [Tensor] {
    require(axisCount > 0, "unstacked: a scalar has no first axis")
    return (0..<shape[0]).map { self[$0] }
  }
}

import Kernels
import System
import Tensors

extension Tensor {
  /// y[..., i, ...] = x[..., index[..., i, ...], ...] along `axis`;  dx = dy added up at the
  /// positions it was read from.
  /// - index: int64, with as many axes as x; its extents must not exceed those of x except along
  ///   `axis`; entries in -n ..< n.  Returns the shape of `index`.
  public func gather(axis: Int, _ index: Tensor) -> Tensor {
    let axis = normalizedAxes([axis], shape, op: "gather")[0]
    return gathered("gather", axis: axis, index)
  }

  /// `gather` for an op called `name` in the graph.
  func gathered(_ name: String, axis: Int, _ index: Tensor) -> Tensor {
    let shape = self.shape
    let y = Kernels.gather(value, axis: axis, index: index, op: name)
    return record(name, inputs: [self, index], value: y, saving: [index]) { dy in
      [Kernels.scatterAdd(dy, axis: axis, index: index, shape: shape, op: name), nil]
    }
  }

  /// The slices along `axis` at the indices in `index`, in that order;  dx = the slices of dy,
  /// added up at their indices.
  /// - index: [n] int64, entries in -extent ..< extent.
  public func indexSelect(axis: Int, _ index: Tensor) -> Tensor {
    let shape = self.shape
    let axis = normalizedAxes([axis], shape, op: "indexSelect")[0]
    let y = Kernels.indexSelect(value, axis: axis, index: index)
    return record("indexSelect", inputs: [self, index], value: y, saving: [index]) { dy in
      [Kernels.indexAdd(dy, axis: axis, index: index, shape: shape), nil]
    }
  }

  /// With an int64 tensor: the slices along the first axis at these indices, in the shape of the
  /// index tensor. With a bool tensor: the elements where it is true, as a vector.
  ///
  /// Setting takes only a bool mask and writes in place: see `assign`.
  public subscript(_ selection: Tensor) -> Tensor {
    get {
      if selection.dtype == .bool { return maskedSelected(selection) }
      require(axisCount > 0, "a scalar cannot be indexed")
      let chosen = indexSelect(axis: 0, selection.reshaped([-1]))
      return chosen.reshaped(Shape(Array(selection.shape) + Array(shape.dropFirst())))
    }
    set { assign(newValue, where: selection) }
  }

  /// The one-hot encoding along a new last axis: 1 at the class of each element, else 0: int64.
  /// - Precondition: the dtype is int64, and every element is in 0 ..< classCount.
  public func oneHot(_ classCount: Int) -> Tensor {
    require(dtype == .int64, "oneHot: classes must be int64, not \(dtype)")
    let y = Tensor(zeros: Shape(Array(shape) + [classCount]), .int64)
    let target = y.pointer(Int64.self)
    for (i, label) in values(Int64.self).enumerated() {
      require(
        label >= 0 && label < classCount,
        "oneHot: element \(i) is \(label), not a class in 0 ..< \(classCount)")
      target[i * classCount + Int(label)] = 1
    }
    return y
  }
}

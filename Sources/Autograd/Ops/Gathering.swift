import Kernels
import System
import Tensors

extension Tensor {
  /// y[..., i, ...] = x[..., index[..., i, ...], ...] along `axis`;  dx collects dy where it came
  /// from.
  /// - index: int64, as many axes as x, extents no larger than x's but along `axis`; entries in
  ///   -n ..< n.  Returns index's shape.
  public func gather(axis: Int, _ index: Tensor) -> Tensor {
    let axis = normalizedAxes([axis], shape, op: "gather")[0]
    return gathered("gather", axis: axis, index)
  }

  func gathered(_ name: String, axis: Int, _ index: Tensor) -> Tensor {
    let shape = self.shape
    let y = Kernels.gather(value, axis: axis, index: index, op: name)
    return record(name, inputs: [self, index], value: y, saving: [index]) { dy in
      [Kernels.scatterAdd(dy, axis: axis, index: index, shape: shape, op: name), nil]
    }
  }

  /// The slices along `axis` that `index` names, in its order;  dx collects dy's.
  /// - index: [n] int64, entries in -extent ..< extent.
  public func indexSelect(axis: Int, _ index: Tensor) -> Tensor {
    let shape = self.shape
    let axis = normalizedAxes([axis], shape, op: "indexSelect")[0]
    let y = Kernels.indexSelect(value, axis: axis, index: index)
    return record("indexSelect", inputs: [self, index], value: y, saving: [index]) { dy in
      [Kernels.indexAdd(dy, axis: axis, index: index, shape: shape), nil]
    }
  }

  /// With an int64 tensor: the slices along the first axis that it names, under its shape. With a
  /// bool one: the elements it marks, as a list.
  ///
  /// Setting changes the memory in place, only what a mask marks: see `assign`.
  public subscript(_ selection: Tensor) -> Tensor {
    get {
      if selection.dtype == .bool { return maskedSelected(selection) }
      require(axisCount > 0, "a scalar cannot be indexed")
      let chosen = indexSelect(axis: 0, selection.reshaped([-1]))
      return chosen.reshaped(Shape(Array(selection.shape) + Array(shape.dropFirst())))
    }
    set { assign(newValue, where: selection) }
  }

  /// 1 at the class of every element, else 0, along a new last axis: int64.
  /// - Precondition: int64, every element in 0 ..< classCount.
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

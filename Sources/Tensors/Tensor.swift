import System

/// An n-dimensional array: a view (shape, strides, offset) of a storage.
///
/// A reference type. Views share memory: a write through one is visible in all. Tensor itself does
/// not compute gradients; Autograd stores its data in `history`.
public final class Tensor {
  // Unchecked: each access is a single read or write, so there is nothing to check at run time, and
  // a check would slow down the steps of small networks. The attribute has an effect in other
  // modules only through inlined code, hence the inlinable accessors.
  @exclusivity(unchecked) @usableFromInline var ownStorage: Storage
  @exclusivity(unchecked) @usableFromInline var ownOffset: Int
  @exclusivity(unchecked) @usableFromInline var ownHistory: AnyObject?
  // A Tensor. If that were the declared type, deinit would walk a chain of tensors and count
  // references on the way.
  @exclusivity(unchecked) @usableFromInline var ownDetachedView: AnyObject?
  @inlinable public var storage: Storage { ownStorage }
  public let shape: Shape
  public let strides: Strides
  /// The index in the storage of this view's first element.
  @inlinable public var offset: Int { ownOffset }
  public let dtype: DType
  /// For exclusive use by Autograd: the history of the tensor.
  @inlinable public package(set) var history: AnyObject? {
    get { ownHistory }
    set { ownHistory = newValue }
  }
  /// For exclusive use by Autograd: if there is a history, the same view without it.
  @inlinable public package(set) var detachedView: Tensor? {
    get { ownDetachedView.map { unsafeDowncast($0, to: Tensor.self) } }
    set { ownDetachedView = newValue }
  }

  /// A view of `storage`.
  /// - Precondition: `shape` and `strides` have the same number of axes, and all elements are
  ///   inside the storage.
  public init(storage: Storage, shape: Shape, strides: Strides, offset: Int, dtype: DType) {
    require(shape.count == strides.count, "shape and strides differ in axes")
    ownStorage = storage
    self.shape = shape
    self.strides = strides
    ownOffset = offset
    self.dtype = dtype
    var last = offset
    for axis in 0..<shape.count { last += max(shape[axis] - 1, 0) * strides[axis] }
    require(
      offset >= 0 && (shape.elementCount == 0 || (last + 1) * dtype.byteCount <= storage.byteCount),
      "a view of shape \(shape) at element \(offset) reaches outside its storage")
  }

  /// A new row-major tensor with undefined contents.
  public convenience init(uninitialized shape: Shape, _ dtype: DType = .float32) {
    self.init(
      storage: Storage(byteCount: shape.elementCount * dtype.byteCount), shape: shape,
      strides: shape.contiguousStrides, offset: 0, dtype: dtype)
  }

  /// A new row-major tensor of zeros.
  public convenience init(zeros shape: Shape, _ dtype: DType = .float32) {
    self.init(uninitialized: shape, dtype)
    fillWithZeros()
  }

  /// A new tensor with `values` in row-major order.
  /// - Precondition: `shape` has as many elements as there are values.
  public convenience init<Scalar: TensorScalar>(_ values: [Scalar], shape: Shape) {
    require(
      values.count == shape.elementCount,
      "\(values.count) values do not fill shape \(shape), which has \(shape.elementCount) elements")
    self.init(uninitialized: shape, Scalar.dtype)
    values.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress {
        rawPointer.copyMemory(from: base, byteCount: bytes.count)
      }
    }
  }

  /// A scalar: no axes, one element.
  public convenience init<Scalar: TensorScalar>(scalar: Scalar) {
    self.init(uninitialized: [], Scalar.dtype)
    pointer(Scalar.self).initialize(to: scalar)
  }

  @inlinable public var axisCount: Int { shape.count }
  @inlinable public var elementCount: Int { shape.elementCount }

  /// Whether the elements are in row-major order without gaps.
  @inlinable public var isContiguous: Bool {
    var step = 1
    for axis in stride(from: shape.count - 1, through: 0, by: -1) {
      if shape[axis] != 1 && strides[axis] != step { return false }
      step *= max(shape[axis], 1)
    }
    return true
  }

  /// The address of the first element.
  @inlinable public var rawPointer: UnsafeMutableRawPointer {
    storage.base + offset * dtype.byteCount
  }

  /// The address of the first element. Valid while the tensor lives: a temporary tensor, as in
  /// `f(x.contiguous().pointer(Float.self))`, is freed before `f` starts.
  /// - Precondition: `type` is the tensor's dtype.
  @inlinable public func pointer<Scalar: TensorScalar>(_ type: Scalar.Type) -> UnsafeMutablePointer<
    Scalar
  > {
    require(Scalar.dtype == dtype, "a tensor of \(dtype) was read as \(Scalar.dtype)")
    return rawPointer.assumingMemoryBound(to: Scalar.self)
  }

  /// Sets all elements to 0.
  /// - Precondition: the tensor is contiguous.
  public func fillWithZeros() {
    require(isContiguous, "only a contiguous tensor can be filled in one go")
    storage.markWritten()
    rawPointer.initializeMemory(
      as: UInt8.self, repeating: 0, count: elementCount * dtype.byteCount)
  }

  /// Makes this tensor a view of `storage` at `offset` (in elements). Used to move parameters into
  /// an arena. The elements are not copied, and other views keep the old storage.
  /// - Precondition: the tensor is contiguous and fits in `storage` at `offset`.
  package func reseat(on storage: Storage, offset: Int) {
    require(isContiguous, "only a contiguous tensor can be seated in an arena")
    require(
      offset >= 0 && (offset + elementCount) * dtype.byteCount <= storage.byteCount,
      "no room for shape \(shape) at element \(offset) of the arena")
    ownStorage = storage
    ownOffset = offset
  }
}

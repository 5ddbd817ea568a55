import System

/// An n-dimensional array: a view (shape, strides, offset) of a storage.
///
/// A reference type. Views share memory: writing through one shows in all. Tensor itself knows no
/// gradients; Autograd hangs its history on the slot `history`.
public final class Tensor {
  // Each access of these is one read or write: nothing to check at run time, which a step of a small
  // network would feel. Other modules take the attribute from inlined code alone.
  @exclusivity(unchecked) @usableFromInline var ownStorage: Storage
  @exclusivity(unchecked) @usableFromInline var ownOffset: Int
  @exclusivity(unchecked) @usableFromInline var ownHistory: AnyObject?
  // A Tensor. Were that its type, deinit would walk a chain of them, counting references on the way.
  @exclusivity(unchecked) @usableFromInline var ownBare: AnyObject?
  @inlinable public var storage: Storage { ownStorage }
  public let shape: Shape
  public let strides: Strides
  /// Elements between the storage's base and this view's first element.
  @inlinable public var offset: Int { ownOffset }
  public let dtype: DType
  /// Autograd's, and nobody else's.
  @inlinable public package(set) var history: AnyObject? {
    get { ownHistory }
    set { ownHistory = newValue }
  }
  /// Autograd's, too: beside a history the same view without one.
  @inlinable public package(set) var bare: Tensor? {
    get { ownBare.map { unsafeDowncast($0, to: Tensor.self) } }
    set { ownBare = newValue }
  }

  /// A view of `storage`.
  /// - Precondition: `shape` and `strides` have the same number of axes and stay inside.
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

  /// A new row-major tensor; its contents are undefined.
  public convenience init(uninitialized shape: Shape, _ dtype: DType = .float32) {
    self.init(
      storage: Storage(byteCount: shape.elementCount * dtype.byteCount), shape: shape,
      strides: shape.contiguousStrides, offset: 0, dtype: dtype)
  }

  /// A new tensor full of zeros.
  public convenience init(zeros shape: Shape, _ dtype: DType = .float32) {
    self.init(uninitialized: shape, dtype)
    fillWithZeros()
  }

  /// A new tensor with `values` in row-major order.
  /// - Precondition: as many values as `shape` has elements.
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

  /// Row-major without gaps.
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

  /// The address of the first element. Valid while the tensor lives: one that has no name, as in
  /// `f(x.contiguous().pointer(Float.self))`, is gone before `f` begins.
  /// - Precondition: `type` is the tensor's dtype.
  @inlinable public func pointer<Scalar: TensorScalar>(_ type: Scalar.Type) -> UnsafeMutablePointer<
    Scalar
  > {
    require(Scalar.dtype == dtype, "a tensor of \(dtype) was read as \(Scalar.dtype)")
    return rawPointer.assumingMemoryBound(to: Scalar.self)
  }

  /// - Precondition: contiguous.
  public func fillWithZeros() {
    require(isContiguous, "only a contiguous tensor can be filled in one go")
    storage.markWritten()
    rawPointer.initializeMemory(
      as: UInt8.self, repeating: 0, count: elementCount * dtype.byteCount)
  }

  /// Views `storage` at `offset` (elements) from now on, as parameters do when they become parts of
  /// an arena. What the tensor held is not copied; other views stay with the old storage.
  /// - Precondition: contiguous, and `offset` leaves room.
  package func reseat(on storage: Storage, offset: Int) {
    require(isContiguous, "only a contiguous tensor can be seated in an arena")
    require(
      offset >= 0 && (offset + elementCount) * dtype.byteCount <= storage.byteCount,
      "no room for shape \(shape) at element \(offset) of the arena")
    ownStorage = storage
    ownOffset = offset
  }
}

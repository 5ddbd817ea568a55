import System

/// The extents of a tensor's axes, outermost first. A scalar has no axes.
///
/// The extents are stored inline, so a new tensor allocates no memory for its shape. Therefore a
/// shape has at most `maxAxisCount` axes. Members that a step of a small network calls thousands of
/// times are inlinable.
public struct Shape: Sendable, RandomAccessCollection, ExpressibleByArrayLiteral {
  public static let maxAxisCount = 8

  @usableFromInline var extents: InlineArray<8, Int>
  public let count: Int

  /// - Precondition: at most `maxAxisCount` extents, none negative.
  public init(_ extents: some Collection<Int>) { self.init(Array(extents)) }

  /// A shape from an array. Not generic, which is faster: a step of a small network creates many
  /// shapes.
  /// - Precondition: at most `maxAxisCount` extents, none negative.
  @inlinable public init(_ extents: [Int]) {
    require(
      extents.count <= Shape.maxAxisCount,
      "a tensor has at most \(Shape.maxAxisCount) axes, not \(extents.count)")
    self.extents = InlineArray(repeating: 0)
    self.count = extents.count
    for axis in 0..<extents.count {
      require(extents[axis] >= 0, "axis \(axis) has the negative extent \(extents[axis])")
      self.extents[axis] = extents[axis]
    }
  }

  @inlinable public init(arrayLiteral elements: Int...) { self.init(elements) }

  /// The shape of a vector. Unlike a literal, it creates no array.
  /// - Precondition: not negative.
  @inlinable public init(_ extent: Int) {
    require(extent >= 0, "axis 0 has the negative extent \(extent)")
    extents = InlineArray(repeating: 0)
    count = 1
    extents[0] = extent
  }

  /// The shape of a matrix. Unlike a literal, it creates no array.
  /// - Precondition: none negative.
  @inlinable public init(_ rows: Int, _ columns: Int) {
    require(rows >= 0 && columns >= 0, "an axis of [\(rows), \(columns)] is negative")
    extents = InlineArray(repeating: 0)
    count = 2
    extents[0] = rows
    extents[1] = columns
  }

  /// The shape of a batch of matrices. Unlike a literal, it creates no array.
  /// - Precondition: none negative.
  @inlinable public init(_ matrices: Int, _ rows: Int, _ columns: Int) {
    require(
      matrices >= 0 && rows >= 0 && columns >= 0,
      "an axis of [\(matrices), \(rows), \(columns)] is negative")
    extents = InlineArray(repeating: 0)
    count = 3
    extents[0] = matrices
    extents[1] = rows
    extents[2] = columns
  }

  /// A copy of the shape with another extent along `axis`.
  /// - Precondition: the axis exists, and the extent is not negative.
  @inlinable public func with(_ extent: Int, at axis: Int) -> Shape {
    if axis < 0 || axis >= count { missing(axis) }
    require(extent >= 0, "axis \(axis) has the negative extent \(extent)")
    var shape = self
    shape.extents[axis] = extent
    return shape
  }

  /// The shape with these adjacent axes merged into one.
  /// - Precondition: the axes exist.
  @inlinable public func joining(_ axes: ClosedRange<Int>) -> Shape {
    if axes.lowerBound < 0 { missing(axes.lowerBound) }
    if axes.upperBound >= count { missing(axes.upperBound) }
    var shape = Shape(axisCount: count - axes.count + 1)
    for axis in 0..<shape.count {
      shape.extents[axis] = extents[axis <= axes.lowerBound ? axis : axis + axes.count - 1]
    }
    for axis in axes.dropFirst() { shape.extents[axes.lowerBound] *= extents[axis] }
    return shape
  }

  /// A shape of `axisCount` axes with extent 0.
  @usableFromInline init(axisCount: Int) {
    extents = InlineArray(repeating: 0)
    count = axisCount
  }

  @inlinable public var startIndex: Int { 0 }
  @inlinable public var endIndex: Int { count }

  @inlinable @inline(__always) public subscript(axis: Int) -> Int {
    if axis < 0 || axis >= count { missing(axis) }
    return extents[axis]
  }

  @usableFromInline @inline(never) func missing(_ axis: Int) -> Never {
    fatalError("no axis \(axis) in a shape of \(count) axes")
  }

  /// The number of elements: 1 for a scalar.
  @inlinable public var elementCount: Int {
    var product = 1
    for axis in 0..<count { product *= extents[axis] }
    return product
  }

  /// Row-major strides, in elements.
  @inlinable public var contiguousStrides: Strides {
    var strides = Strides(axisCount: count)
    var step = 1
    for axis in stride(from: count - 1, through: 0, by: -1) {
      strides[axis] = step
      step *= Swift.max(extents[axis], 1)
    }
    return strides
  }

  /// The extent along `axis`.
  /// - Precondition: 0 <= axis < count; otherwise traps, naming `op`.
  public func extent(of axis: Int, op: StaticString) -> Int {
    require(
      axis >= 0 && axis < count, "\(op): no axis \(axis) in shape \(self)")
    return extents[axis]
  }
}

extension Shape: Equatable, Hashable, CustomStringConvertible {
  @inlinable public static func == (a: Shape, b: Shape) -> Bool {
    guard a.count == b.count else { return false }
    for axis in 0..<a.count where a.extents[axis] != b.extents[axis] { return false }
    return true
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(count)
    for axis in 0..<count { hasher.combine(extents[axis]) }
  }

  public var description: String { "[" + map(String.init).joined(separator: ", ") + "]" }
}

/// The distance in memory between neighbours along each axis, in elements; 0 along a broadcast
/// axis.
public struct Strides: Sendable, Equatable {
  @usableFromInline var steps: InlineArray<8, Int>
  public let count: Int

  @inlinable public init(axisCount: Int) {
    steps = InlineArray(repeating: 0)
    count = axisCount
  }

  @usableFromInline @inline(never) func missing(_ axis: Int) -> Never {
    fatalError("no axis \(axis) among \(count) strides")
  }

  @inlinable public subscript(axis: Int) -> Int {
    @inline(__always) get {
      if axis < 0 || axis >= count { missing(axis) }
      return steps[axis]
    }
    @inline(__always) set {
      if axis < 0 || axis >= count { missing(axis) }
      steps[axis] = newValue
    }
  }

  @inlinable public static func == (a: Strides, b: Strides) -> Bool {
    guard a.count == b.count else { return false }
    for axis in 0..<a.count where a.steps[axis] != b.steps[axis] { return false }
    return true
  }
}

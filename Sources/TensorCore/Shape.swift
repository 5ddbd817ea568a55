/// The extents of a tensor's axes, outermost first. A scalar has none.
///
/// Held inline, so that making a tensor does not allocate for its shape; hence at most
/// `maxAxisCount` axes.
public struct Shape: Sendable, RandomAccessCollection, ExpressibleByArrayLiteral {
  public static let maxAxisCount = 8

  private var extents: InlineArray<8, Int>
  public let count: Int

  /// - Precondition: at most `maxAxisCount` extents, none negative.
  public init(_ extents: some Collection<Int>) { self.init(Array(extents)) }

  /// Of an array, which needs no generic code: a step of a small network makes many shapes.
  /// - Precondition: at most `maxAxisCount` extents, none negative.
  public init(_ extents: [Int]) {
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

  public init(arrayLiteral elements: Int...) { self.init(elements) }

  public var startIndex: Int { 0 }
  public var endIndex: Int { count }

  public subscript(axis: Int) -> Int {
    require(axis >= 0 && axis < count, "no axis \(axis) in a shape of \(count) axes")
    return extents[axis]
  }

  /// Elements in all: 1 for a scalar.
  public var elementCount: Int {
    var product = 1
    for axis in 0..<count { product *= extents[axis] }
    return product
  }

  /// Row-major strides, in elements.
  public var contiguousStrides: Strides {
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
  public static func == (a: Shape, b: Shape) -> Bool {
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

/// How far apart neighbours along each axis lie, in elements; 0 along a broadcast axis.
public struct Strides: Sendable, Equatable {
  private var steps: InlineArray<8, Int>
  public let count: Int

  public init(axisCount: Int) {
    steps = InlineArray(repeating: 0)
    count = axisCount
  }

  public subscript(axis: Int) -> Int {
    get {
      require(axis >= 0 && axis < count, "no axis \(axis) among \(count) strides")
      return steps[axis]
    }
    set {
      require(axis >= 0 && axis < count, "no axis \(axis) among \(count) strides")
      steps[axis] = newValue
    }
  }

  public static func == (a: Strides, b: Strides) -> Bool {
    guard a.count == b.count else { return false }
    for axis in 0..<a.count where a.steps[axis] != b.steps[axis] { return false }
    return true
  }
}

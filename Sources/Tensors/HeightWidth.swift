/// A number for each axis of an image, such as a kernel size or a stride. The literal `3` means (3,
/// 3).
public struct HeightWidth: Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible
{
  public let height: Int
  public let width: Int

  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  public init(_ both: Int) { self.init(both, both) }

  public init(integerLiteral both: Int) { self.init(both) }

  public var product: Int { height * width }

  /// Printed like a Python tuple.
  public var description: String { "(\(height), \(width))" }
}

/// A number for each of an image's two axes, such as a kernel's size or a stride; `3` means 3 and 3.
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

  /// As Python prints a tuple.
  public var description: String { "(\(height), \(width))" }
}

/// One parser that is given one input after the other.
public final class FuzzedInputs {
  private let parser: FuzzedParser
  private let input = InputInMemory()

  public init(_ parser: FuzzedParser) { self.parser = parser }

  public func parse(_ bytes: UnsafeRawBufferPointer) { _ = parser.parse(bytes, input) }
}

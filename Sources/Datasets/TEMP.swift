struct NumPyRandom {
  init(seed: UInt32) {}
  mutating func choice(_ n: Int, count: Int) -> [Int] { [] }
}
extension ImageStream: SampleSource {
  public var name: String { "idx" }
  public var inputShape: [Int] { [1] + sampleShape }
  public var inputType: InputType { .uint8 }
  public var targetShape: [Int] { [] }
  public var targetType: TargetType { .classIndex(count: 10) }
  public func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws {
    let label = try readLabel()
    target?.storeBytes(of: Int64(label), as: Int64.self)
    if let input {
      try readPixels(into: input.assumingMemoryBound(to: UInt8.self))
    } else {
      try skipPixels()
    }
  }
}

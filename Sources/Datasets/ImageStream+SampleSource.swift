/// Images as samples of one channel: [1, H, W] where the file's items have two axes.
extension ImageStream: SampleSource {
  public var name: String { imagePath }
  public var inputShape: [Int] { sampleShape.count == 2 ? [1] + sampleShape : sampleShape }
  public var inputType: InputType { .uint8 }
  public var targetShape: [Int] { [] }
  public var targetType: TargetType { .classIndex(count: classCount) }

  public func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws {
    // Labels are looked at even where they are not wanted: damage is every rank's to know.
    let label = try readLabel()
    target?.storeBytes(of: Int64(label), as: Int64.self)
    guard let input else { return try skipPixels() }
    try readPixels(into: input.assumingMemoryBound(to: UInt8.self))
  }
}

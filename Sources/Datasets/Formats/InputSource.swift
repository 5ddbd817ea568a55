import System

/// The samples of a file of inputs, which have no targets.
package final class InputSource: SampleSource {
  package let name: String
  package var sampleCount: Int { file.sampleCount }
  package let inputShape: [Int]
  package var inputType: InputType { file.type }
  package var targetShape: [Int] { [0] }
  package let targetType: TargetType
  package let classNames: [String]?
  private let file: InputFile
  private var position = 0

  /// - Parameters:
  ///   - shape: what the network takes a sample for, where the file has as many numbers in another
  ///     shape.
  ///   - targetType: what the targets would be.
  ///   - classNames: what classes are called.
  /// - Throws: `badData` where a sample has not as many.
  package init(
    _ file: InputFile, path: String, shape: [Int], targetType: TargetType = .float32,
    classNames: [String]? = nil
  ) throws {
    guard file.sampleShape.reduce(1, *) == shape.reduce(1, *) else {
      throw Failure(
        .badData, "\(path): its samples are \(file.sampleShape), the network takes \(shape)",
        remedy: "bring samples of that shape")
    }
    name = path
    inputShape = shape
    self.file = file
    self.targetType = targetType
    self.classNames = classNames
  }

  package func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) {
    require(position < sampleCount, "\(name): all \(sampleCount) samples were read")
    let byteCount = inputElementCount * inputType.byteCount
    func copy(_ bytes: UnsafeRawBufferPointer) {
      input?.copyMemory(from: bytes.baseAddress! + position * byteCount, byteCount: byteCount)
    }
    switch file.values {
    case .uint8(let values): values.withUnsafeBytes(copy)
    case .float32(let values): values.withUnsafeBytes(copy)
    }
    position += 1
  }
}

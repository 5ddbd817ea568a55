import System

/// The samples of a file of inputs, without targets.
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
  ///   - shape: the shape of a sample for the network; that in the file may differ, but has as many
  ///     elements.
  ///   - targetType: the type that targets would have.
  ///   - classNames: the names of the classes; nil: they have none.
  /// - Throws: `badData` where a sample of the file has another number of elements.
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

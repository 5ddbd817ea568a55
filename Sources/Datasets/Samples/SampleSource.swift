import System

/// A part of a data set.
public enum Split: String, Sendable, CaseIterable {
  case train, validation, test
}

/// The type of an input's elements in memory.
package enum InputType: Sendable, Equatable {
  /// A pixel, 0 ... 255.
  case uint8
  case float32

  package var byteCount: Int { self == .uint8 ? 1 : 4 }
}

/// The type of a target's elements in memory.
package enum TargetType: Sendable, Equatable {
  /// Int64, 0 ..< count.
  case classIndex(count: Int)
  case float32

  package var byteCount: Int {
    if case .classIndex = self { 8 } else { 4 }
  }
}

/// Reads the samples of a file, a folder or a generator once, in order.
///
/// The samples and their order depend only on the source's arguments. They are the same on every
/// host.
package protocol SampleSource: AnyObject {
  /// The name of the file, folder or generator in messages.
  var name: String { get }
  var sampleCount: Int { get }
  /// The shape of one sample's input, such as [28, 28]; [] is one number.
  var inputShape: [Int] { get }
  var inputType: InputType { get }
  /// The shape of one sample's target; [] is one number.
  var targetShape: [Int] { get }
  var targetType: TargetType { get }
  /// The names of the classes, in order; nil: their numbers are used.
  var classNames: [String]? { get }
  /// The arrays of a sample's input, stored one after another; the default is one array named x.
  var inputFeatures: [Feature] { get }
  /// The arrays of a sample's target; the default is one array named y.
  var targetFeatures: [Feature] { get }

  /// Reads the next sample. If a pointer is nil, that part is skipped.
  /// - Parameters:
  ///   - input: memory for all `inputFeatures`.
  ///   - target: memory for all `targetFeatures`.
  /// - Precondition: a sample is left.
  /// - Throws: `badData` naming file and place; `ioError`.
  func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws

  /// Checks that no data is left, after all samples were read or skipped.
  func finish() throws

  /// A digest of all bytes of the source's files, decompressed; valid after `finish`. It changes if
  /// any byte of a file changes, also in samples that were skipped. nil if no file is read: then
  /// the samples depend only on the source's arguments.
  var digest: UInt64? { get }
}

extension SampleSource {
  package var inputFeatures: [Feature] {
    [Feature("x", shape: inputShape, inputType == .uint8 ? .uint8 : .float32)]
  }
  package var targetFeatures: [Feature] {
    if case .classIndex(let count) = targetType {
      return [Feature("y", shape: targetShape, .classIndex(count: count))]
    }
    return [Feature("y", shape: targetShape)]
  }
  package var classNames: [String]? { nil }
  package func finish() throws {}
  package var digest: UInt64? { nil }
  package var inputElementCount: Int { inputShape.reduce(1, *) }
  package var targetElementCount: Int { targetShape.reduce(1, *) }
}

extension [Feature] {
  /// The size of a record with all of the features, one after another.
  var byteCount: Int { reduce(0) { $0 + $1.byteCount } }
  /// The offset of each feature in such a record.
  var offsets: [Int] {
    var next = 0
    return map { feature in
      defer { next += feature.byteCount }
      return next
    }
  }
}

/// Samples that are already in memory: generated, or from a small file.
package final class ArraySource: SampleSource {
  /// The targets of all samples, one after another.
  package enum Targets: Sendable, Equatable {
    case classes([Int64], count: Int)
    case numbers([Float])
  }

  package let name: String
  package let inputs: [Float]
  package let targets: Targets
  package let inputShape: [Int]
  package let targetShape: [Int]
  package let classNames: [String]?
  package let sampleCount: Int
  private var position = 0

  /// - Parameters:
  ///   - inputs: [N, inputShape...].
  ///   - targets: [N, targetShape...].
  /// - Precondition: the numbers of inputs and targets match the shapes.
  package init(
    name: String, inputs: [Float], inputShape: [Int], targets: Targets, targetShape: [Int],
    classNames: [String]? = nil
  ) {
    let targetCount =
      switch targets {
      case .classes(let indices, _): indices.count
      case .numbers(let numbers): numbers.count
      }
    let (inputSize, targetSize) = (inputShape.reduce(1, *), targetShape.reduce(1, *))
    sampleCount = inputs.count / max(inputSize, 1)
    require(
      sampleCount * inputSize == inputs.count && sampleCount * targetSize == targetCount,
      "\(name): \(inputs.count) inputs of \(inputShape) do not go with \(targetCount) targets of "
        + "\(targetShape)")
    self.name = name
    self.inputs = inputs
    self.targets = targets
    self.inputShape = inputShape
    self.targetShape = targetShape
    self.classNames = classNames
  }

  package var inputType: InputType { .float32 }
  package var targetType: TargetType {
    switch targets {
    case .classes(_, let count): .classIndex(count: count)
    case .numbers: .float32
    }
  }

  package func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) {
    require(position < sampleCount, "\(name): all \(sampleCount) samples were read")
    func copy<T>(_ values: [T], _ count: Int, to place: UnsafeMutableRawPointer?) {
      values.withUnsafeBytes {
        let size = count * MemoryLayout<T>.stride
        place?.copyMemory(from: $0.baseAddress! + position * size, byteCount: size)
      }
    }
    copy(inputs, inputElementCount, to: input)
    switch targets {
    case .classes(let indices, _): copy(indices, targetElementCount, to: target)
    case .numbers(let numbers): copy(numbers, targetElementCount, to: target)
    }
    position += 1
  }
}

import System

/// Inputs [N, ...] and targets [N] or [N, ...] from two NPY files, or from two arrays of an NPZ
/// file.
///
/// Inputs of uint8 stay uint8; all other types become float32. The shape of a target is that of the
/// array without axis 0: [N] gives [], [N, 1] gives [1].
package final class NPYSource: SampleSource {
  package let name: String
  package var sampleCount: Int { inputs.itemCount }
  package var inputShape: [Int] { inputs.itemShape }
  package var inputType: InputType { inputs.header.type == .uint8 ? .uint8 : .float32 }
  package var targetShape: [Int] { targets.itemShape }
  package let targetType: TargetType

  private let inputs: NPYArray
  private let targets: NPYArray

  /// - Parameters:
  ///   - inputs: path of an NPY file [N, ...].
  ///   - targets: path of an NPY file [N] or [N, ...].
  ///   - classCount: the number of classes, such as that of the training set; nil: the largest
  ///     class index plus 1.
  /// - Throws: `inputMissing`; `badData` where a file is damaged or of a type that is not
  ///   supported, the counts differ, or a class is not a whole number below `classCount`;
  ///   `ioError`.
  package convenience init(
    inputs: String, targets: String, targetKind: TargetKind, classCount: Int? = nil
  ) throws {
    func open(_ path: String) throws -> NPYArray {
      try NPYArray(DataSection(wholeOf: DataFile(path: path, format: "an NPY file")))
    }
    try self.init(
      name: inputs, inputs: open(inputs), openTargets: { try open(targets) }, targetKind, classCount
    )
  }

  /// - Parameters:
  ///   - archive: path of an NPZ file.
  ///   - inputs: the name of its array of inputs.
  ///   - targets: the name of its array of targets.
  package convenience init(
    archive path: String, inputs: String = "x", targets: String = "y", targetKind: TargetKind,
    classCount: Int? = nil
  ) throws {
    let archive = try NPZArchive(path: path)
    try self.init(
      name: path, inputs: archive.array(inputs), openTargets: { try archive.array(targets) },
      targetKind, classCount)
  }

  private init(
    name: String, inputs: NPYArray, openTargets: () throws -> NPYArray, _ targetKind: TargetKind,
    _ classCount: Int?
  ) throws {
    self.name = name
    self.inputs = inputs
    targets = try openTargets()
    guard inputs.itemCount == targets.itemCount else {
      throw Failure(
        .badData,
        "\(inputs.name) holds \(inputs.itemCount) samples, but \(targets.name) holds "
          + "\(targets.itemCount)", remedy: "give inputs and targets of the same samples")
    }
    switch targetKind {
    case .number:
      targetType = .float32
      // The number of samples decides how much is allocated: verified first if it is compressed.
      if targets.isCompressed { try openTargets().finish() }
    case .classIndex:
      let limit = classCount ?? TargetKind.maximumClassCount
      let needed = try NPYSource.check(openTargets(), classCount: limit)
      targetType = .classIndex(count: classCount ?? needed)
    }
  }

  /// Reads and checks all classes before the first is used.
  /// - Returns: the largest class index plus 1.
  private static func check(_ targets: NPYArray, classCount: Int) throws -> Int {
    var maximum: Int64 = 0
    for _ in 0..<targets.itemCount {
      try targets.readClasses(classCount: classCount) { maximum = max(maximum, $1) }
    }
    try targets.finish()
    return Int(maximum) + 1
  }

  package func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws {
    if let input {
      switch inputType {
      case .uint8: try inputs.readBytes(into: input.assumingMemoryBound(to: UInt8.self))
      case .float32: try inputs.readFloats(into: input.assumingMemoryBound(to: Float.self))
      }
    } else {
      try inputs.skip()
    }
    guard let target else { return try targets.skip() }
    switch targetType {
    case .classIndex(let count):
      let classes = target.assumingMemoryBound(to: Int64.self)
      try targets.readClasses(classCount: count) { classes[$0] = $1 }
    case .float32: try targets.readFloats(into: target.assumingMemoryBound(to: Float.self))
    }
  }

  package var digest: UInt64? { ContentHash.joined(inputs.digest, targets.digest) }

  package func finish() throws {
    try inputs.finish()
    try targets.finish()
  }
}

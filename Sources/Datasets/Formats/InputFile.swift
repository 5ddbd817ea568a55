import System

/// A file of inputs without targets, read into memory.
package struct InputFile: Sendable, Equatable {
  /// The numbers of all samples, one sample after the other.
  package enum Values: Sendable, Equatable {
    case uint8([UInt8])
    case float32([Float])
  }

  package let sampleCount: Int
  /// The shape of one sample, the same as that of a data set of this format; [] is one number.
  package let sampleShape: [Int]
  /// [sampleCount, sampleShape...].
  package let values: Values

  package var type: InputType {
    if case .uint8 = values { .uint8 } else { .float32 }
  }

  /// The maximum size. More is treated as a mistake: training sets are read sample by sample.
  package static let maximumByteCount = 4 << 30

  /// Reads a file in the format that its extension tells: .npy, .npz, .csv or .png; any other file
  /// as IDX, gzipped or not. IDX images with two axes get a channel axis, [1, H, W]. A PNG image is
  /// one sample.
  /// - Parameters:
  ///   - array: the name of the array in an NPZ file.
  ///   - hasHeader: of a CSV file; nil: it has one where its first line has a field that is no
  ///     number.
  ///   - separator: of a CSV file.
  ///   - columns: the names of the columns to read from a CSV file with a header; nil: all.
  /// - Throws: `inputMissing`; `badData` naming file and place; `ioError`.
  package static func read(
    _ path: String, array: String = "x", hasHeader: Bool? = nil, separator: String = ",",
    columns: [String]? = nil
  ) throws -> InputFile {
    let name = path.lowercased()
    if name.hasSuffix(".npy") {
      return try read(NPYArray(DataSection(wholeOf: DataFile(path: path, format: "an NPY file"))))
    }
    if name.hasSuffix(".npz") { return try read(NPZArchive(path: path).array(array)) }
    if name.hasSuffix(".png") {
      let image = try PNGImage(path: path)
      return InputFile(
        sampleCount: 1, sampleShape: image.format.shape, values: .uint8(image.pixels))
    }
    if name.hasSuffix(".csv") {
      return try read(CSVTable(path: path, hasHeader: hasHeader, separator: separator), columns)
    }
    return try readIDX(path)
  }

  private static func checkSize(_ name: String, _ count: Int, _ byteCount: Int) throws {
    guard count <= maximumByteCount / byteCount else {
      throw Failure(
        .badData, "\(name) holds \(count) numbers, more than \(maximumByteCount) bytes hold",
        remedy: "split it into several files")
    }
  }

  private static func read(_ array: NPYArray) throws -> InputFile {
    let isBytes = array.header.type == .uint8
    let count = array.itemCount * array.itemSize
    try checkSize(array.name, count, isBytes ? 1 : 4)
    let values: Values
    if isBytes {
      // Both arrays grow with the numbers read: the header of a compressed array is not trusted.
      var bytes: [UInt8] = []
      for _ in 0..<array.itemCount { try array.forEachByte { bytes.append($1) } }
      values = .uint8(bytes)
    } else {
      var floats: [Float] = []
      for _ in 0..<array.itemCount { try array.forEachFloat { floats.append($1) } }
      values = .float32(floats)
    }
    try array.finish()
    return InputFile(sampleCount: array.itemCount, sampleShape: array.itemShape, values: values)
  }

  private static func read(_ table: CSVTable, _ names: [String]?) throws -> InputFile {
    var columns = Array(0..<table.columnCount)
    if let names, table.names != nil {
      columns = try names.map {
        try table.column(
          $0, what: "column",
          remedy: "name its columns as those trained on, or leave the header away")
      }
    }
    var floats: [Float] = []
    while try table.advance() {
      for column in columns {
        if CSVTable.isMissing(table.field(column)) {
          throw table.fault(
            column, "has no value, \(shown(table.field(column)))", remedy: "fill it in")
        }
        floats.append(try table.float(column))
      }
      try checkSize(table.path, floats.count, 4)
    }
    guard !floats.isEmpty else {
      throw Failure(.badData, "\(table.path) has no row", remedy: "give a file with samples")
    }
    return InputFile(
      sampleCount: floats.count / columns.count, sampleShape: [columns.count],
      values: .float32(floats))
  }

  private static func readIDX(_ path: String) throws -> InputFile {
    let reader = try IDXReader(path: path)
    let count = reader.itemCount * reader.itemByteCount
    try checkSize(path, count, 1)
    let bytes = try reader.readAll()
    try reader.finish()
    return InputFile(
      sampleCount: reader.itemCount, sampleShape: ImageStream.inputShape(ofItem: reader.dims),
      values: .uint8(bytes))
  }
}

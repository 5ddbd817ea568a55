import CSystem
import Glibc
import System
import Tensors

/// Reads the items of an NPY array, its slices along axis 0, from front to back.
///
/// Memory: a block of 64 KiB. An array in Fortran order is read into memory as a whole, because its
/// items are not contiguous.
final class NPYArray {
  /// One axis fewer than a tensor can have, because one-hot targets get one more axis.
  static let maximumAxisCount = Shape.maxAxisCount - 1

  let header: NPYHeader
  let itemCount: Int
  let itemShape: [Int]
  /// Numbers of one item.
  let itemSize: Int
  /// Items read or skipped so far.
  private(set) var itemsRead = 0
  var name: String { section.name }
  /// Whether the section must be read to verify that it holds what its header declares.
  var isCompressed: Bool { section.isDeflated }

  private let section: DataSection
  private let dataStart: Int
  private let block: UnsafeMutableRawPointer  // of `blockSize` numbers
  private let blockSize: Int
  private var fortranData: UnsafeMutableRawPointer?  // the whole array in Fortran order

  /// - Throws: `badData` where the header is damaged, the size contradicts it, or the array is
  ///   empty.
  init(_ section: DataSection) throws {
    self.section = section
    let header = try NPYHeader(section)
    self.header = header
    dataStart = section.position
    blockSize = (64 << 10) / header.type.byteCount
    guard header.shape.count <= NPYArray.maximumAxisCount else {
      throw Failure(
        .badData,
        "\(section.name) declares a shape of \(header.shape.count) axes; at most "
          + "\(NPYArray.maximumAxisCount) are read", remedy: "reshape the array")
    }
    let what = "declares the shape \(header.shape)"
    guard let count = header.shape.first else {
      throw Failure(
        .badData, "\(section.name) \(what): one number, where axis 0 is to count the samples",
        remedy: "write an array with an axis of samples in front")
    }
    guard !header.shape.contains(0) else {
      throw Failure(
        .badData, "\(section.name) \(what): no data", remedy: "write an array that is not empty")
    }
    var byteCount = header.type.byteCount
    for extent in header.shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw section.fault("\(what), more than any file holds") }
      byteCount = product
    }
    let available = section.byteCount - dataStart
    guard byteCount == available else {
      throw section.fault(
        "\(what) of \(header.type.rawValue), \(byteCount) bytes, but \(available) follow the header"
      )
    }
    itemCount = count
    itemShape = Array(header.shape.dropFirst())
    itemSize = itemShape.reduce(1, *)
    block = .allocate(byteCount: blockSize * header.type.byteCount, alignment: 64)
    if header.isFortran && itemSize > 1 { try loadFortranData(byteCount) }
  }

  deinit {
    block.deallocate()
    free(fortranData)
  }

  /// Skips the next item.
  /// - Precondition: an item is left.
  func skip() throws {
    advance()
    if fortranData == nil { try section.read(itemSize * header.type.byteCount, into: nil) }
  }

  /// Reads the next item as bytes.
  /// - Precondition: an item is left; the type is uint8.
  func readBytes(into target: UnsafeMutablePointer<UInt8>) throws {
    if fortranData == nil {
      require(header.type == .uint8, "\(name) holds \(header.type.rawValue), no bytes")
      advance()
      try section.read(itemSize, into: target)
    } else {
      try forEachByte { target[$0] = $1 }
    }
  }

  /// Calls `body` with the index and the value of each byte of the next item.
  /// - Precondition: as `readBytes`.
  func forEachByte(_ body: (Int, UInt8) -> Void) throws {
    require(header.type == .uint8, "\(name) holds \(header.type.rawValue), no bytes")
    try forEach { body($0, UInt8($1)) }
  }

  /// Reads the next item, rounded to float32.
  /// - Precondition: an item is left.
  /// - Throws: `badData` where a number is not finite, or is out of the range of float32.
  func readFloats(into target: UnsafeMutablePointer<Float>) throws {
    try forEachFloat { target[$0] = $1 }
  }

  /// Calls `body` with the index and the value of each number of the next item, rounded to float32.
  /// - Precondition, Throws: as `readFloats`.
  func forEachFloat(_ body: (Int, Float) -> Void) throws {
    let item = itemsRead
    try forEach { i, value in
      let rounded = Float(value)
      guard rounded.isFinite else {
        throw Failure(
          .badData,
          "\(name): sample \(item), number \(i) (\(place(item, i))) is \(value), which "
            + "is no finite float32", remedy: "mend or remove the sample")
      }
      body(i, rounded)
    }
  }

  /// Reads the next item as class indices; `target` gets the index in the item and the class.
  /// - Precondition: an item is left.
  /// - Throws: `badData` where a number is not a whole number in 0 ..< classCount.
  func readClasses(classCount: Int, into target: (Int, Int64) -> Void) throws {
    let item = itemsRead
    try forEach { i, value in
      guard value == value.rounded() && value >= 0 && value < Double(classCount) else {
        let wanted = "whole numbers in 0 ... \(classCount - 1)"
        throw Failure(
          .badData,
          "\(name): sample \(item) (\(place(item, i))) has the class \(number(value)), "
            + "where \(wanted) are expected",
          remedy: "number the classes from 0, or take the target as a number")
      }
      target(i, Int64(value))
    }
  }

  /// The hash of the whole file or member, after `finish` has returned.
  var digest: UInt64 { section.hash.value }

  /// Skips the rest and checks that the data are complete.
  func finish() throws { try section.finish() }

  private func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }

  private func place(_ item: Int, _ i: Int) -> String {
    fortranData == nil
      ? "byte \(dataStart + (item * itemSize + i) * header.type.byteCount)" : "in Fortran order"
  }

  private func advance() {
    require(itemsRead < itemCount, "\(name): all \(itemCount) items were read")
    itemsRead += 1
  }
}

// MARK: - Numbers

extension NPYArray {
  /// Calls `body` with each number of the next item, in C order.
  private func forEach(_ body: (Int, Double) throws -> Void) throws {
    let item = itemsRead
    advance()
    if let fortranData {
      try forEachInFortranOrder(fortranData, item: item, body)
      return
    }
    for first in stride(from: 0, to: itemSize, by: blockSize) {
      let count = min(blockSize, itemSize - first)
      try section.read(count * header.type.byteCount, into: block)
      for i in 0..<count { try body(first + i, value(block, i)) }
    }
  }

  /// In Fortran order, axis 0 is the innermost: element (n, a, b) is at index n + N (a + A b).
  private func forEachInFortranOrder(
    _ data: UnsafeMutableRawPointer, item: Int, _ body: (Int, Double) throws -> Void
  ) throws {
    var strides: [Int] = []
    var step = itemCount
    for extent in itemShape {
      strides.append(step)
      step *= extent
    }
    for i in 0..<itemSize {
      var (rest, offset) = (i, item)
      for axis in itemShape.indices.reversed() {
        offset += rest % itemShape[axis] * strides[axis]
        rest /= itemShape[axis]
      }
      try body(i, value(data, offset))
    }
  }

  private func value(_ data: UnsafeMutableRawPointer, _ index: Int) -> Double {
    func load<T: FixedWidthInteger>(_ type: T.Type) -> T {
      let raw = data.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: type)
      return header.isBigEndian ? T(bigEndian: raw) : T(littleEndian: raw)
    }
    return switch header.type {
    case .boolean: load(UInt8.self) == 0 ? 0 : 1
    case .uint8: Double(load(UInt8.self))
    case .int8: Double(load(Int8.self))
    case .uint16: Double(load(UInt16.self))
    case .int16: Double(load(Int16.self))
    case .uint32: Double(load(UInt32.self))
    case .int32: Double(load(Int32.self))
    case .uint64: Double(load(UInt64.self))
    case .int64: Double(load(Int64.self))
    case .float32: Double(Float(bitPattern: load(UInt32.self)))
    case .float64: Double(bitPattern: load(UInt64.self))
    }
  }

  private func loadFortranData(_ byteCount: Int) throws {
    // malloc may return NULL for a large array, where Swift's allocation would end the process.
    guard let data = nd_try_malloc(byteCount) else {
      throw Failure(
        .trainingFailed, "\(name): out of memory: \(byteCount) bytes in Fortran order",
        remedy: "write the array with numpy.ascontiguousarray")
    }
    fortranData = data
    try section.read(byteCount, into: data)
  }
}

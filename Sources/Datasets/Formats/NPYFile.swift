import Glibc
import System

/// Writes arrays for NumPy.
package enum NPYFile {
  /// Writes an NPY file as numpy.save does: version 1.0, little-endian float32 in C order.
  /// - Precondition: `shape` has as many elements as `values`.
  /// - Throws: `ioError` where the file cannot be written. A file that is left is cut short, which
  ///   readers notice by its header.
  package static func write(_ values: [Float], shape: [Int], to path: String) throws {
    require(
      shape.reduce(1, *) == values.count,
      "NPY: \(values.count) numbers do not make the shape \(shape)")
    func failure(_ what: String) -> Failure {
      systemFailure(.ioError, "cannot \(what) \(path)", remedy: "check the folder and the disk")
    }
    guard let file = fopen(path, "wbe") else { throw failure("make") }
    let header = NPYFile.header(shape)
    let isWritten =
      fwrite(header, 1, header.count, file) == header.count
      && fwrite(values, 4, values.count, file) == values.count
    let reason = errno
    let isClosed = fclose(file) == 0
    if !isWritten || !isClosed {
      if !isWritten { errno = reason }
      throw failure("write")
    }
  }

  /// As in numpy/lib/format.py, the data start at a multiple of 64 bytes.
  private static func header(_ shape: [Int]) -> [UInt8] {
    let extents = shape.map { "\($0)" }.joined(separator: ", ")
    let tuple = shape.count == 1 ? "(\(extents),)" : "(\(extents))"
    var text = Array("{'descr': '<f4', 'fortran_order': False, 'shape': \(tuple), }".utf8)
    let unpadded = NPYHeader.magic.count + 4 + text.count + 1
    text += [UInt8](repeating: UInt8(ascii: " "), count: (64 - unpadded % 64) % 64)
    text.append(UInt8(ascii: "\n"))
    require(text.count <= 65535, "NPY: a shape of \(shape.count) axes")
    return NPYHeader.magic + [1, 0, UInt8(text.count & 0xff), UInt8(text.count >> 8)] + text
  }
}

import CMPI

/// The MPI library that this program uses.
package enum MPILibrary {
  /// The library's name and version, such as "Open MPI v4.1.4". May be read before MPI_Init.
  /// Source: MPI 3.1, section 8.1.1.
  package static var version: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
    var length: Int32 = 0
    guard MPI_Get_library_version(&text, &length) == MPI_SUCCESS else { return "unknown" }
    let whole = String(decoding: text[..<Int(length)].map(UInt8.init(bitPattern:)), as: UTF8.self)
    return String(whole.prefix { $0 != "," && $0 != "\n" })
  }
}

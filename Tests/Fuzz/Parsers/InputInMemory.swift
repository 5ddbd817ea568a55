import Glibc

/// Bytes as a file that readers can open by its path, without a disk.
final class InputInMemory {
  private let descriptor: Int32
  private let folder: String

  init() {
    descriptor = memfd_create("input", UInt32(MFD_CLOEXEC))
    var template = Array("/tmp/nndist-fuzz-XXXXXX".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    precondition(descriptor >= 0)
  }

  deinit {
    close(descriptor)
    for name in names { unlink(folder + "/" + name) }
    rmdir(folder)
  }

  private var names: [String] = []

  func write(_ bytes: UnsafeRawBufferPointer) {
    ftruncate(descriptor, 0)
    let written = bytes.isEmpty ? 0 : pwrite(descriptor, bytes.baseAddress, bytes.count, 0)
    precondition(written == bytes.count)
  }

  /// The file under a name that ends as readers want it.
  func path(_ name: String) -> String {
    let path = folder + "/" + name
    if !names.contains(name) {
      symlink("/proc/self/fd/\(descriptor)", path)
      names.append(name)
    }
    return path
  }
}

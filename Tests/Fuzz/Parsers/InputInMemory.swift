import Glibc

/// Bytes as a file in memory that readers open by its path.
final class InputInMemory {
  private let folder: String
  private let descriptor: Int32
  private var names: [String] = []

  /// In NNDIST_FUZZ_MEMORY, where launch/fuzz removes what a parser that crashed leaves.
  init() {
    let place = getenv("NNDIST_FUZZ_MEMORY").map { String(cString: $0) } ?? "/dev/shm"
    var template = Array("\(place)/nndist-fuzz-XXXXXX".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    descriptor = open(folder + "/bytes", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    precondition(descriptor >= 0, "no file can be made in \(folder)")
  }

  deinit {
    close(descriptor)
    for name in names + ["bytes"] { unlink(folder + "/" + name) }
    rmdir(folder)
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    ftruncate(descriptor, 0)
    let written = bytes.isEmpty ? 0 : pwrite(descriptor, bytes.baseAddress, bytes.count, 0)
    precondition(written == bytes.count)
  }

  /// The file under a name that ends as readers want it.
  func path(_ name: String) -> String {
    let path = folder + "/" + name
    if !names.contains(name) {
      symlink("bytes", path)
      names.append(name)
    }
    return path
  }
}

import Foundation

/// The folder `shared` beside the checkout, with what is for measuring and no part of the product;
/// nil where it is missing.
public func sharedFolder(file: String = #filePath) -> String? {
  let root = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let path = root.deletingLastPathComponent().appendingPathComponent("shared").path
  return FileManager.default.fileExists(atPath: path) ? path : nil
}

/// Debian's dataset-fashion-mnist; nil where it is not installed.
public let fashionMNISTFolder: String? = {
  let path = "/usr/share/datasets/fashion-mnist"
  return FileManager.default.fileExists(atPath: path + "/train-images-idx3-ubyte.gz") ? path : nil
}()

/// A Python that has all of `modules`; nil where there is none. $NNDIST_PYTHON names one to try
/// first.
public func python(with modules: String...) -> String? {
  let environment = ProcessInfo.processInfo.environment
  return [environment["NNDIST_PYTHON"], "python3", "/tmp/venv/bin/python"].compactMap { $0 }
    .first { candidate in
      let outcome = try? run([candidate, "-c", "import " + modules.joined(separator: ", ")])
      return outcome?.status == 0
    }
}

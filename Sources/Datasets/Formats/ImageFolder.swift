import Glibc
import System

/// The paths of the four IDX files of MNIST, or of a data set of the same format.
package struct ImageFolder: Sendable, Equatable {
  package let trainImages: String
  package let trainLabels: String
  package let testImages: String
  package let testLabels: String

  static let names = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
  ]

  /// Finds the files in `directory`, or in torchvision's folder of the data set below it. Each is
  /// plain or has .gz; a plain file is preferred, because it needs no decompression.
  /// - Parameter dataset: "mnist" and "fashion-mnist" are searched only in their own torchvision
  ///   folder, so that neither is trained under the name of the other; any other name in both
  ///   folders, that of MNIST first.
  /// - Throws: `inputMissing` where no folder has all four files.
  package static func locate(_ directory: String, dataset: String) throws -> ImageFolder {
    let torchvisionFolders =
      switch dataset {
      case "mnist": ["MNIST/raw"]
      case "fashion-mnist": ["FashionMNIST/raw"]
      default: ["MNIST/raw", "FashionMNIST/raw"]
      }
    let remedy =
      dataset == "fashion-mnist"
      ? "apt-get install dataset-fashion-mnist, or --data DIR with its four IDX files"
      : "--data DIR with the four IDX files (" + names.map { $0 + "[.gz]" }.joined(separator: ", ")
        + ")"

    var best = (folder: directory, missing: names)
    let folders = [directory] + torchvisionFolders.map { directory + "/" + $0 }
    for folder in folders {
      let paths = try names.map { name in
        try [name, name + ".gz"].map { folder + "/" + $0 }.first { try isFile($0, remedy: remedy) }
      }
      let missing = zip(names, paths).filter { $0.1 == nil }.map(\.0)
      if missing.isEmpty {
        let found = paths.compactMap { $0 }
        return ImageFolder(
          trainImages: found[0], trainLabels: found[1], testImages: found[2], testLabels: found[3])
      }
      if missing.count < best.missing.count { best = (folder, missing) }
    }
    let lacking = best.missing.map { $0 + "[.gz]" }.joined(separator: ", ")
    let others = folders.filter { $0 != best.folder }.joined(separator: ", ")
    throw Failure(
      .inputMissing,
      "no \(dataset) data: \(best.folder) lacks \(lacking) (looked in \(others) too)",
      remedy: remedy)
  }

  /// Whether `path` is a regular file.
  /// - Throws: `inputMissing` where this cannot be determined, such as without permission.
  private static func isFile(_ path: String, remedy: String) throws -> Bool {
    var status = stat()
    if stat(path, &status) == 0 { return status.st_mode & S_IFMT == S_IFREG }
    if errno == ENOENT || errno == ENOTDIR { return false }
    throw systemFailure(.inputMissing, "cannot look at \(path)", remedy: remedy)
  }
}

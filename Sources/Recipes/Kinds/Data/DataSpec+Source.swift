import Datasets
import System

extension DataSpec {
  /// Whether the data set has test samples of its own.
  var hasTestSource: Bool { DatasetKind.of(self).hasTestSource(arguments) }

  /// Opens the training or test samples of the data set.
  /// - Throws: `Failure(.inputMissing)` where there is no file; `badData`.
  func source(_ split: Split) throws -> any SampleSource {
    try DatasetKind.of(self).source(arguments, split)
  }

  /// Image sets that an operating system may have as a package.
  package enum ImageSet: String, CaseIterable, Sendable {
    case mnist
    case fashionMNIST = "fashion-mnist"

    /// Where a Debian package puts it.
    private var systemPath: String? {
      self == .fashionMNIST ? "/usr/share/datasets/fashion-mnist" : nil
    }

    /// Its files in `directory`, or where the system has them.
    /// - Throws: `Failure(.inputMissing)` naming what is not there and where to get it.
    package func folder(_ directory: String?) throws -> ImageFolder {
      guard let directory = directory ?? systemPath else {
        throw Failure(
          .inputMissing, "no folder is named for the data set \(rawValue)",
          remedy: "--data DIR with its four IDX files (train-images-idx3-ubyte[.gz], ...)")
      }
      return try ImageFolder.locate(directory, dataset: rawValue)
    }
  }
}

import Datasets
import System

extension DataSpec {
  /// Whether the data set has its own test samples.
  var hasTestSource: Bool { DatasetKind.of(self).hasTestSource(arguments) }

  /// Opens the training or test samples of the data set.
  /// - Throws: `Failure(.inputMissing)` if a file is missing; `badData` if it is damaged.
  func source(_ split: Split) throws -> any SampleSource {
    try DatasetKind.of(self).source(arguments, split)
  }

  /// Image data sets that an operating system may provide as a package.
  package enum ImageSet: String, CaseIterable, Sendable {
    case mnist
    case fashionMNIST = "fashion-mnist"

    /// The folder of the Debian package; nil if there is none.
    private var systemPath: String? {
      self == .fashionMNIST ? "/usr/share/datasets/fashion-mnist" : nil
    }

    /// Finds its files in `directory`, or in the system's folder if `directory` is nil.
    /// - Throws: `Failure(.inputMissing)` with the missing file and where to get it.
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

import Datasets
import Glibc
import System
import TestSupport
import Testing

struct ImageFolderTests {
  let folder = TemporaryFolder()
  let names = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
  ]

  private func make(_ below: String, suffix: String = "") {
    for name in names { folder.write(below + name + suffix, [0]) }
  }

  private func paths(_ found: ImageFolder) -> [String] {
    [found.trainImages, found.trainLabels, found.testImages, found.testLabels]
  }

  @Test(arguments: ["", ".gz"])
  func filesOfTheFolderItselfAreFound(suffix: String) throws {
    make("", suffix: suffix)
    let found = try ImageFolder.locate(folder.path, dataset: "fashion-mnist")
    #expect(paths(found) == names.map { folder.path + "/" + $0 + suffix })
  }

  @Test func plainFileWinsOverItsGzippedTwin() throws {
    make("", suffix: ".gz")
    folder.write(names[2], [0])
    mkdir(folder.path + "/" + names[3], 0o700)  // a folder is no file
    let found = try ImageFolder.locate(folder.path, dataset: "mnist")
    #expect(found.trainImages == folder.path + "/" + names[0] + ".gz")
    #expect(found.testImages == folder.path + "/" + names[2])
    #expect(found.testLabels == folder.path + "/" + names[3] + ".gz")
  }

  @Test func torchvisionsFolderOfTheNamedDataSetIsFound() throws {
    make("MNIST/raw/")
    expectFailure(.inputMissing, "no fashion-mnist data") {
      _ = try ImageFolder.locate(folder.path, dataset: "fashion-mnist")
    }
    make("FashionMNIST/raw/", suffix: ".gz")
    let fashion = try ImageFolder.locate(folder.path, dataset: "fashion-mnist")
    #expect(paths(fashion) == names.map { "\(folder.path)/FashionMNIST/raw/\($0).gz" })
    let mnist = try ImageFolder.locate(folder.path, dataset: "mnist")
    #expect(paths(mnist) == names.map { "\(folder.path)/MNIST/raw/\($0)" })
    #expect(try ImageFolder.locate(folder.path, dataset: "other") == mnist)
  }

  @Test func missingFilesAreNamedWithTheRemedy() {
    expectFailure(
      .inputMissing,
      "\(folder.path) lacks train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], "
        + "t10k-images-idx3-ubyte[.gz], t10k-labels-idx1-ubyte[.gz]",
      "looked in \(folder.path)/FashionMNIST/raw too"
    ) { _ = try ImageFolder.locate(folder.path, dataset: "fashion-mnist") }
    make("MNIST/raw/")
    remove("\(folder.path)/MNIST/raw/\(names[1])")
    expectFailure(
      .inputMissing, "\(folder.path)/MNIST/raw lacks train-labels-idx1-ubyte[.gz] (looked in"
    ) { _ = try ImageFolder.locate(folder.path, dataset: "mnist") }

    let fashion = #expect(throws: Failure.self) {
      try ImageFolder.locate("/nowhere", dataset: "fashion-mnist")
    }
    #expect(
      fashion?.remedy
        == "apt-get install dataset-fashion-mnist, or --data DIR with its four IDX files")
    let other = #expect(throws: Failure.self) { try ImageFolder.locate("/nowhere", dataset: "x") }
    #expect(other?.remedy.contains("four IDX files (train-images-idx3-ubyte[.gz], ") == true)
  }

  @Test func fileThatCannotBeLookedAtIsNotCalledMissing() {
    symlink(names[0], folder.path + "/" + names[0])  // to itself
    expectFailure(
      .inputMissing, "cannot look at \(folder.path)/\(names[0])",
      "Too many levels of symbolic links"
    ) { _ = try ImageFolder.locate(folder.path, dataset: "mnist") }
  }
}

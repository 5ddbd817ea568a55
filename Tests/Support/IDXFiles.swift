import CZlib
import System
import Tensors

/// An IDX file's bytes: the header declares `dims`, whatever `data` holds.
public func idx(_ dims: [Int], _ data: [UInt8], elementType: UInt8 = 0x08) -> [UInt8] {
  var bytes: [UInt8] = [0, 0, elementType, UInt8(dims.count)]
  for extent in dims {
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: extent >> shift)) }
  }
  return bytes + data
}

/// `bytes` as gzip data, as gzip(1) makes them.
public func gzipped(_ bytes: [UInt8]) -> [UInt8] {
  let folder = TemporaryFolder()
  let path = folder.path + "/data.gz"
  let file = gzopen(path, "wb")!
  gzwrite(file, bytes, UInt32(bytes.count))
  gzclose(file)
  return contents(path)
}

/// Bytes without a pattern that deflate could use, the same in every run.
public func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  let random = CountedRandom(seed: seed, purpose: "test bytes")
  return (0..<count).map { UInt8(truncatingIfNeeded: random.block(UInt64($0 / 4))[$0 % 4]) }
}

/// The names of a data set's four files, as MNIST's publishers gave them.
public let trainImagesName = "train-images-idx3-ubyte"
public let trainLabelsName = "train-labels-idx1-ubyte"
public let testImagesName = "t10k-images-idx3-ubyte"
public let testLabelsName = "t10k-labels-idx1-ubyte"

extension TemporaryFolder {
  /// Writes a small data set of MNIST's kind that can be learned: a sample of class c is bright in
  /// rows 2c to 2c + 3, over dark noise.
  /// - Returns: the folder's path.
  @discardableResult
  public func writeImages(train: Int, test: Int, in name: String = "data") -> String {
    for (images, labels, count, seed) in [
      (trainImagesName, trainLabelsName, train, UInt64(1)),
      (testImagesName, testLabelsName, test, UInt64(2)),
    ] {
      let classes = noise(count, seed: seed + 10).map { $0 % 10 }
      var pixels = noise(count * 784, seed: seed).map { $0 & 0x1f }
      for (sample, label) in classes.enumerated() {
        let first = sample * 784 + Int(label) * 2 * 28
        for pixel in first..<first + 4 * 28 { pixels[pixel] |= 0x80 }
      }
      write(name + "/" + images, idx([count, 28, 28], pixels))
      write(name + "/" + labels, idx([count], classes))
    }
    return path + "/" + name
  }
}

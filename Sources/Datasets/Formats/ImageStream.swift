import System
import Tensors

/// Reads the labelled images of two IDX files once, from front to back. Memory: only the images
/// that the caller requests.
package final class ImageStream {
  /// Extents of one sample, such as [28, 28].
  package let sampleShape: [Int]
  package let sampleCount: Int
  let classCount: Int
  var imagePath: String { images.path }
  private let images: IDXReader
  private let labels: IDXReader
  private var labelsRead = 0

  /// - Parameters:
  ///   - images: path of an IDX file [N, ...], gzipped or not.
  ///   - labels: path of an IDX file [N], gzipped or not.
  ///   - classCount: every label must be below this number.
  /// - Throws: what `IDXReader` throws; `badData` where the files do not belong together.
  package init(images imagePath: String, labels labelPath: String, classCount: Int) throws {
    require(classCount >= 1, "images of \(classCount) classes")
    images = try IDXReader(path: imagePath)
    labels = try IDXReader(path: labelPath)
    guard labels.dims.count == 1 else {
      throw damage("\(labelPath) declares \(labels.dims.count) axes, where labels have 1")
    }
    guard images.dims.count > 1 else {
      throw damage("\(imagePath) declares 1 axis, where images have 2 to 4")
    }
    guard images.itemCount == labels.itemCount else {
      throw damage(
        "\(imagePath) declares \(images.itemCount) images, but \(labelPath) declares "
          + "\(labels.itemCount) labels")
    }
    if labels.isCompressed {
      // The number of samples decides how much is allocated. It is verified with the labels, which
      // are quick to read.
      let all = try IDXReader(path: labelPath)
      try all.skipItems(all.itemCount)
      try all.finish()
    }
    self.classCount = classCount
    sampleShape = Array(images.dims.dropFirst())
    sampleCount = images.itemCount
  }

  /// Checks that no data follow the last sample.
  /// - Precondition: all samples were read.
  package func finish() throws {
    try labels.finish()
    try images.finish()
  }

  func readLabel() throws -> UInt8 {
    var label: UInt8 = 0
    try labels.readItems(1, into: &label)
    guard label < classCount else {
      throw damage(
        "\(labels.path): sample \(labelsRead) (\(labels.place(ofItem: labelsRead))) has the label "
          + "\(label); allowed are 0 ... \(classCount - 1)")
    }
    labelsRead += 1
    return label
  }

  func skipPixels() throws { try images.skipItems(1) }
}

// MARK: - As a source

extension ImageStream: SampleSource {
  package var name: String { images.path }
  /// [1, H, W] where the images of the file are [H, W]; else their own shape.
  package var inputShape: [Int] { ImageStream.inputShape(ofItem: images.dims) }
  package var inputType: InputType { .uint8 }
  package var targetShape: [Int] { [] }
  package var targetType: TargetType { .classIndex(count: classCount) }
  package var digest: UInt64? { ContentHash.joined(images.digest, labels.digest) }

  /// Reads and checks every label, also where `target` is nil.
  package func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws {
    require(labelsRead < sampleCount, "\(name): all \(sampleCount) samples were read")
    let label = Int64(try readLabel())
    target?.storeBytes(of: label, as: Int64.self)
    if let input { try images.readItems(1, into: input) } else { try skipPixels() }
  }

  /// The shape of one image of an IDX file of the extents `dims`.
  static func inputShape(ofItem dims: [Int]) -> [Int] {
    let item = Array(dims.dropFirst())
    return item.count == 2 ? [1] + item : item
  }
}

import Datasets
import System

extension DataSpec {
  /// Whether the data set has test samples of its own.
  var hasTestSource: Bool {
    switch dataset {
    case "mnist", "fashion-mnist", "idx", "reverse": true
    case "blobs": arguments.optionalWhole("test_count") != nil
    case "trend": arguments.number("train_fraction") < 1
    case "csv": arguments.optionalText("test_path") != nil
    case "images": PNGFolder.has(.test, in: arguments.text("path"))
    default: false
    }
  }

  /// Opens its training or test samples.
  /// - Throws: `Failure(.inputMissing)` where there is no file; `badData`.
  func source(_ split: Split) throws -> any SampleSource {
    func seed() -> UInt32 { UInt32(arguments.whole("seed")) }
    switch dataset {
    case "mnist", "fashion-mnist", "idx":
      let folder = try imageFolder()
      let images = split == .test ? folder.testImages : folder.trainImages
      let labels = split == .test ? folder.testLabels : folder.trainLabels
      let stream = try ImageStream(
        images: images, labels: labels,
        classCount: arguments.has("classes") ? arguments.whole("classes") : 10)
      if ImageSet(rawValue: dataset) != nil, stream.inputShape != [1, 28, 28] {
        throw Failure(
          .badData,
          "\(stream.name): its images are \(Array(stream.inputShape.dropFirst())), \(dataset) takes [28, 28]",
          remedy: "images of your own are `dataset: idx`")
      }
      return stream
    case "csv": return try csv(split)
    case "npy":
      let kind = TargetKind(rawValue: arguments.text("target_kind"))!
      let path = arguments.text("path")
      guard let targets = arguments.optionalText("targets_path") else {
        return try NPYSource(
          archive: path, inputs: arguments.text("inputs"), targets: arguments.text("targets"),
          targetKind: kind)
      }
      return try NPYSource(inputs: path, targets: targets, targetKind: kind)
    case "images":
      let root = arguments.text("path")
      let train = try PNGFolder(root: root, split: .train)
      return split == .train
        ? train : try PNGFolder(root: root, split: split, classNames: train.classNames)
    case "rings": return ArraySource.rings(pairCount: arguments.whole("count"), seed: seed())
    case "blobs":
      let box = arguments.numbers("center_box")
      return ArraySource.blobs(
        count: arguments.whole("count"), testCount: arguments.optionalWhole("test_count") ?? 0,
        featureCount: arguments.whole("features"), centerCount: arguments.whole("centers"),
        centerBox: (box[0], box[1]), deviation: arguments.number("deviation"),
        isBinary: arguments.flag("binary"), seed: seed(), split: split)
    case "line":
      return ArraySource.line(
        count: arguments.whole("count"), slope: arguments.number("slope"),
        intercept: arguments.number("intercept"), low: arguments.whole("low"),
        high: arguments.whole("high"), deviation: arguments.number("deviation"), seed: seed())
    case "parabola":
      return ArraySource.parabola(
        count: arguments.whole("count"), low: arguments.number("low"),
        high: arguments.number("high"))
    case "wave":
      return ArraySource.wave(
        low: arguments.number("low"), high: arguments.number("high"),
        step: arguments.number("step"), isFlipped: arguments.flag("flipped"))
    case "constant":
      return ArraySource.constant(
        input: Float(arguments.number("input")), value: Float(arguments.number("value")),
        count: arguments.whole("count"))
    case "trend":
      return ArraySource.trend(
        length: arguments.whole("length"), intercept: arguments.number("intercept"),
        slope: arguments.number("slope"), curvature: arguments.number("curvature"),
        deviation: arguments.number("deviation"),
        noise: arguments.text("noise") == "point" ? .point : .series, seed: seed(),
        lag: arguments.whole("lag"), trainFraction: arguments.number("train_fraction"),
        split: split)
    case "noise":
      return ArraySource.noise(
        inputCount: arguments.whole("inputs"), targetCount: arguments.whole("targets"),
        count: arguments.whole("count"), seed: seed())
    case "reverse":
      return ArraySource.reverse(
        count: arguments.whole("count"), testCount: arguments.whole("test_count"),
        length: arguments.whole("length"), symbolCount: arguments.whole("symbols"), seed: seed(),
        split: split)
    default: fatalError("data set \(dataset) has no source")
    }
  }

  private func csv(_ split: Split) throws -> CSVReader {
    var options = CSVOptions(
      targetColumn: arguments.text("target_column"),
      targetKind: TargetKind(rawValue: arguments.text("target_kind"))!,
      columns: arguments.optionalTexts("columns"), hasHeader: arguments.flag("header"),
      separator: arguments.text("separator"),
      missing: CSVOptions.Missing(rawValue: arguments.text("missing"))!)
    let train = try CSVReader(path: arguments.text("path"), options: options)
    guard split == .test, let path = arguments.optionalText("test_path") else { return train }
    // The test file has the training file's columns and classes.
    options.columns = train.inputColumns
    var classCount: Int?
    if case .classIndex(let count) = train.targetType { classCount = count }
    return try CSVReader(
      path: path, options: options, classNames: train.classNames, classCount: classCount)
  }

  private func imageFolder() throws -> ImageFolder {
    if let set = ImageSet(rawValue: dataset) { return try set.folder(path) }
    return try ImageFolder.locate(arguments.text("path"), dataset: dataset)
  }

  /// The image sets that systems have.
  public enum ImageSet: String, CaseIterable, Sendable {
    case mnist
    case fashionMNIST = "fashion-mnist"

    /// Where a Debian package puts it.
    private var systemPath: String? {
      self == .fashionMNIST ? "/usr/share/datasets/fashion-mnist" : nil
    }

    /// Its files in `directory`, or where the system has them.
    /// - Throws: `Failure(.inputMissing)` naming what is not there and where to get it.
    public func folder(_ directory: String?) throws -> ImageFolder {
      guard let directory = directory ?? systemPath else {
        throw Failure(
          .inputMissing, "no folder is named for the data set \(rawValue)",
          remedy: "--data DIR with its four IDX files (train-images-idx3-ubyte[.gz], ...)")
      }
      return try ImageFolder.locate(directory, dataset: rawValue)
    }
  }
}

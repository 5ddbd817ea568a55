import Datasets
import System

/// Data sets that are read from files.
extension DatasetKind {
  static let files: [DatasetKind] = [
    imageSet(.mnist, "Handwritten digits: 60,000 and 10,000 images [1, 28, 28] of 10 classes."),
    imageSet(.fashionMNIST, "Garments: 60,000 and 10,000 images [1, 28, 28] of 10 classes."),
    DatasetKind(
      "idx", "Images of your own in MNIST's format.",
      [
        path("A folder with four IDX files, as train-images-idx3-ubyte.gz."), scale,
        .count("classes", 10, "Labels are 0 up to, but not with, this."),
      ],
      hasTestSource: { _ in true },
      source: { arguments, split in
        let folder = try ImageFolder.locate(arguments.text("path"), dataset: "idx")
        return try images(in: folder, split, classCount: arguments.integer("classes"))
      }),
    DatasetKind(
      "csv", "A table: a sample a line.",
      [
        path("The file."),
        .optional("test_path", .text(.notEmpty), "The test split's file; null: none."),
        Field(
          "target_column", .text(.notEmpty),
          "The column to be predicted: its name in the header, or its number, from 0."),
        targetKind,
        .optional(
          "columns", .list(.text(.notEmpty), count: nil),
          "The columns of the input, by name or number; null: all others."),
        .flag("header", true, "Whether the first line holds the columns' names."),
        Field(
          "separator", .text(.oneCharacter), .text(","), "The character between columns."),
        .choice("missing", ["error", "drop"], "error", "What is done to lines that miss a value."),
      ],
      hasTestSource: { $0.optionalText("test_path") != nil },
      source: { try csv($0, $1) }),
    DatasetKind(
      "npy", "NumPy arrays: a sample a row.",
      [
        path("A .npz file with both arrays, or a .npy file of the inputs."),
        Field("inputs", .text(.notEmpty), .text("x"), "The name of the inputs in a .npz file."),
        Field("targets", .text(.notEmpty), .text("y"), "The name of the targets in a .npz file."),
        .optional(
          "targets_path", .text(.notEmpty), "A .npy file of the targets; null: in path's .npz."),
        targetKind,
      ],
      source: { arguments, _ in
        let kind = TargetKind(rawValue: arguments.text("target_kind"))!
        let path = arguments.text("path")
        guard let targets = arguments.optionalText("targets_path") else {
          return try NPYSource(
            archive: path, inputs: arguments.text("inputs"), targets: arguments.text("targets"),
            targetKind: kind)
        }
        return try NPYSource(inputs: path, targets: targets, targetKind: kind)
      }),
    DatasetKind(
      "images", "PNG files in a folder for each class.",
      [
        path("A folder of such folders, or one with train/ and test/ of them."), scale,
      ],
      hasTestSource: { PNGFolder.has(.test, in: $0.text("path")) },
      source: { arguments, split in
        let root = arguments.text("path")
        let train = try PNGFolder(root: root, split: .train)
        return split == .train
          ? train : try PNGFolder(root: root, split: split, classNames: train.classNames)
      }),
  ]

  private static let imageFolder = Field.optional(
    "path", .anyText, "A folder with its four IDX files; null: where the system has it.")

  private static func path(_ doc: String) -> Field { Field("path", .text(.notEmpty), doc) }

  private static let scale = Field.choice(
    "scale", ["unit", "raw"], "unit",
    "What becomes of a pixel x, 0 to 255: x / 255 (unit), or x (raw).")

  private static let targetKind = Field.choice(
    "target_kind", ["class", "number"], "class",
    "Whether targets are classes, or numbers to be approached.")
}

// MARK: - Opening

extension DatasetKind {
  /// MNIST, or a data set of the same format.
  private static func imageSet(_ set: DataSpec.ImageSet, _ doc: String) -> DatasetKind {
    DatasetKind(
      set.rawValue, doc, [imageFolder, scale],
      shapes: { _ in SampleShapes(input: [1, 28, 28], target: [], classCount: 10) },
      hasTestSource: { _ in true },
      source: { arguments, split in
        let folder = try set.folder(arguments.optionalText("path"))
        let stream = try images(in: folder, split, classCount: 10)
        guard stream.inputShape == [1, 28, 28] else {
          throw Failure(
            .badData,
            "\(stream.name): its images are \(Array(stream.inputShape.dropFirst())), "
              + "\(set.rawValue) takes [28, 28]",
            remedy: "images of your own are `dataset: idx`")
        }
        return stream
      })
  }

  private static func images(
    in folder: ImageFolder, _ split: Split, classCount: Int
  ) throws -> ImageStream {
    try ImageStream(
      images: split == .test ? folder.testImages : folder.trainImages,
      labels: split == .test ? folder.testLabels : folder.trainLabels, classCount: classCount)
  }

  private static func csv(_ arguments: Arguments, _ split: Split) throws -> CSVReader {
    var options = CSVOptions(
      targetColumn: arguments.text("target_column"),
      targetKind: TargetKind(rawValue: arguments.text("target_kind"))!,
      columns: arguments.optionalTexts("columns"), hasHeader: arguments.flag("header"),
      separator: arguments.text("separator"),
      missing: CSVOptions.Missing(rawValue: arguments.text("missing"))!)
    let train = try CSVReader(path: arguments.text("path"), options: options)
    guard split == .test, let path = arguments.optionalText("test_path") else { return train }
    // The test file must have the training file's columns and classes.
    options.columns = train.inputColumns
    var classCount: Int?
    if case .classIndex(let count) = train.targetType { classCount = count }
    return try CSVReader(
      path: path, options: options, classNames: train.classNames, classCount: classCount)
  }
}

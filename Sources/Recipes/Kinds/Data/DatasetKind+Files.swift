/// Data sets that are read.
extension DatasetKind {
  static let files: [DatasetKind] = [
    DatasetKind(
      "mnist", "Handwritten digits: 60,000 and 10,000 images [1, 28, 28] of 10 classes.",
      [imageFolder, scale], shapes: { _ in digits }),
    DatasetKind(
      "fashion-mnist", "Garments: 60,000 and 10,000 images [1, 28, 28] of 10 classes.",
      [imageFolder, scale], shapes: { _ in digits }),
    DatasetKind(
      "idx", "Images of your own in MNIST's format.",
      [
        path("A folder with four IDX files, as train-images-idx3-ubyte.gz."), scale,
        .count("classes", 10, "Labels are 0 up to, but not with, this."),
      ]),
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
      ]),
    DatasetKind(
      "npy", "NumPy arrays: a sample a row.",
      [
        path("A .npz file with both arrays, or a .npy file of the inputs."),
        Field("inputs", .text(.notEmpty), .text("x"), "The name of the inputs in a .npz file."),
        Field("targets", .text(.notEmpty), .text("y"), "The name of the targets in a .npz file."),
        .optional(
          "targets_path", .text(.notEmpty), "A .npy file of the targets; null: in path's .npz."),
        targetKind,
      ]),
    DatasetKind(
      "images", "PNG files in a folder for each class.",
      [
        path("A folder of such folders, or one with train/ and test/ of them."), scale,
      ]),
  ]

  private static let digits = SampleShapes(input: [1, 28, 28], target: [], classCount: 10)

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

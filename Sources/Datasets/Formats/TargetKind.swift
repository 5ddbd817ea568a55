/// The kind of the targets in a file.
public enum TargetKind: String, Sendable, CaseIterable {
  /// A class index.
  case classIndex = "class"
  case number

  /// The maximum number of classes of a data set. More classes are treated as a mistake, such as a
  /// column of numbers.
  public static let maximumClassCount = 65536
}

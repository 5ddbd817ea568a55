/// What a target of a file is.
public enum TargetKind: String, Sendable, CaseIterable {
  /// One of a number of classes.
  case classIndex = "class"
  case number

  /// Classes of one data set: more are taken for a mistake, such as a column of numbers.
  public static let maximumClassCount = 65536
}

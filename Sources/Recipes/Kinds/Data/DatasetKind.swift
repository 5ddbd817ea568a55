import Datasets

/// The shapes of a sample, without the batch axis.
package struct SampleShapes: Equatable, Sendable {
  package let input: [Int]
  /// [] is a scalar.
  package let target: [Int]
  /// The number of classes; nil if targets are numbers.
  package let classCount: Int?
  package let classNames: [String]?

  package init(
    input: [Int], target: [Int], classCount: Int? = nil, classNames: [String]? = nil
  ) {
    self.input = input
    self.target = target
    self.classCount = classCount
    self.classNames = classNames
  }
}

/// A kind of data set: its arguments, the shapes of its samples, and how they are opened.
struct DatasetKind: Sendable {
  let kind: Kind
  /// Returns nil if the shapes are known only from the files.
  let shapes: @Sendable (Arguments) -> SampleShapes?
  /// Whether the data set has its own test samples.
  let hasTestSource: @Sendable (Arguments) -> Bool
  /// Opens the training or test samples.
  /// - Throws: `Failure(.inputMissing)` if a file is missing; `badData` if it is damaged.
  let source: @Sendable (Arguments, Split) throws -> any SampleSource

  init(
    _ name: String, _ doc: String, _ fields: [Field],
    mistake: @escaping @Sendable (Arguments) -> (key: String, what: String)? = { _ in nil },
    shapes: @escaping @Sendable (Arguments) -> SampleShapes? = { _ in nil },
    hasTestSource: @escaping @Sendable (Arguments) -> Bool = { _ in false },
    source: @escaping @Sendable (Arguments, Split) throws -> any SampleSource
  ) {
    kind = Kind(name, doc, fields, mistake: mistake)
    self.shapes = shapes
    self.hasTestSource = hasTestSource
    self.source = source
  }

  /// Makes a kind for a data set that a program registered.
  init(own kind: Kind, data: @escaping @Sendable (Arguments) throws -> TrainingData) {
    self.kind = kind
    shapes = { _ in nil }
    hasTestSource = { (try? data($0))?.hasTestSource ?? false }
    source = { try data($0).open($1) }
  }

  static let all: [DatasetKind] = builtIn + OwnKinds.datasetKinds()

  static let builtIn: [DatasetKind] = files + generators

  static func of(_ data: DataSpec) -> DatasetKind { all.first { $0.kind.name == data.dataset }! }
}

import System

/// A custom data set: a number of samples that can be read by index.
///
/// Each rank reads only the samples of its own shards, once, when training begins. The values that
/// `read` writes must depend only on the index, so that all ranks see the same data set:
///
///     struct Squares: Dataset {
///       let count = 1000
///       let inputs = [Feature("x", shape: [1])]
///       let targets = [Feature("y", shape: [1])]
///       func read(_ index: Int, into sample: inout Sample) throws {
///         let x = Float(index) / 1000
///         sample.write([x], to: "x")
///         sample.write([x * x], to: "y")
///       }
///     }
public protocol Dataset: Sendable {
  /// The name of the data set in messages.
  var name: String { get }

  /// The number of samples; the same on every rank.
  var count: Int { get }

  /// The arrays that the network gets; at least one.
  var inputs: [Feature] { get }

  /// The arrays with which the loss compares the network's output; may be empty.
  var targets: [Feature] { get }

  /// The names of the classes of the first target, in order; nil: their numbers are used.
  var classNames: [String]? { get }

  /// Writes every feature of sample `index`.
  /// - Throws: an error if the sample cannot be read, preferably a `Failure` that names file and
  ///   place.
  func read(_ index: Int, into sample: inout Sample) throws
}

extension Dataset {
  public var name: String { String(describing: Self.self) }
  public var classNames: [String]? { nil }
}

/// The memory of one sample, which a `Dataset` writes.
public struct Sample {
  private let owner: String
  private let index: Int
  private let places: [(feature: Feature, memory: UnsafeMutableRawPointer)]
  private var isWritten: [Bool]
  /// The first error, such as a value that cannot be stored.
  private var problem: String?

  init(
    of owner: String, index: Int,
    _ places: [(feature: Feature, memory: UnsafeMutableRawPointer)]
  ) {
    self.owner = owner
    self.index = index
    self.places = places
    isWritten = [Bool](repeating: false, count: places.count)
  }

  /// Writes a float32 feature, in row-major order.
  /// - Precondition: there is a feature of that name.
  public mutating func write(_ values: [Float], to name: String) {
    copy(values, to: name, "float32") { $0 == .float32 }
  }

  /// Writes the pixels of a uint8 feature, in row-major order.
  /// - Precondition: there is a feature of that name.
  public mutating func write(_ pixels: [UInt8], to name: String) {
    copy(pixels, to: name, "uint8") { $0 == .uint8 }
  }

  /// Writes a feature of integers or classes. A class outside 0 ..< count is an error of the data.
  /// - Precondition: there is a feature of that name.
  public mutating func write(_ values: [Int], to name: String) {
    guard let place = self.place(name) else { return }
    if case .classIndex(let count) = places[place].feature.type,
      let wrong = values.first(where: { !(0..<count ~= $0) })
    {
      return note("\(name) is class \(wrong), and there are \(count) classes")
    }
    copy(values.map(Int64.init), to: name, "whole numbers") {
      if case .classIndex = $0 { true } else { $0 == .int64 }
    }
  }

  /// Writes a feature of one number.
  public mutating func write(_ value: Float, to name: String) { write([value], to: name) }
  /// Writes a feature of one integer or class.
  public mutating func write(_ value: Int, to name: String) { write([value], to: name) }

  private mutating func place(_ name: String) -> Int? {
    let place = places.firstIndex { $0.feature.name == name }
    if place == nil { note("\(name) is no feature; there are \(places.map(\.feature.name))") }
    return place
  }

  private mutating func copy<T>(
    _ values: [T], to name: String, _ what: String, _ fits: (FeatureType) -> Bool
  ) {
    guard let place = self.place(name) else { return }
    let (feature, memory) = places[place]
    guard fits(feature.type) else { return note("\(name) is \(feature.type), not \(what)") }
    guard values.count == feature.elementCount else {
      return note("\(name) has \(values.count) values, and its shape is \(feature.shape)")
    }
    values.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { memory.copyMemory(from: base, byteCount: bytes.count) }
    }
    isWritten[place] = true
  }

  private mutating func note(_ text: String) { problem = problem ?? text }

  /// - Throws: `badData` unless every feature was written.
  func verify() throws {
    let missing = zip(places, isWritten).first { !$1 }?.0.feature.name
    guard let what = problem ?? missing.map({ "\($0) was not written" }) else { return }
    throw Failure(
      .badData, "\(owner): sample \(index): \(what)",
      remedy: "mend the data, or the data set's features")
  }
}

/// Reads a `Dataset`'s samples in order.
final class DatasetSource: SampleSource {
  let dataset: any Dataset
  let sampleCount: Int
  let inputFeatures: [Feature]
  let targetFeatures: [Feature]
  private var position = 0

  /// - Throws: `badData` if the data set has no samples or no inputs, or uses a name twice.
  init(_ dataset: any Dataset) throws {
    self.dataset = dataset
    sampleCount = dataset.count
    (inputFeatures, targetFeatures) = (dataset.inputs, dataset.targets)
    let names = (inputFeatures + targetFeatures).map(\.name)
    let problem: String? =
      if sampleCount < 1 {
        "has \(sampleCount) samples"
      } else if inputFeatures.isEmpty {
        "has no input"
      } else if Set(names).count < names.count {
        "has a feature's name twice: \(names)"
      } else {
        nil
      }
    if let problem { throw Failure(.badData, "the data set \(dataset.name) \(problem)") }
  }

  var name: String { dataset.name }
  var classNames: [String]? { dataset.classNames }
  var inputShape: [Int] { inputFeatures[0].shape }
  var inputType: InputType { inputFeatures[0].type == .uint8 ? .uint8 : .float32 }
  var targetShape: [Int] { targetFeatures.first?.shape ?? [0] }
  var targetType: TargetType {
    if case .classIndex(let count) = targetFeatures.first?.type {
      .classIndex(count: count)
    } else {
      .float32
    }
  }

  func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws {
    defer { position += 1 }
    guard let input, let target else { return }
    func places(
      _ features: [Feature], _ start: UnsafeMutableRawPointer
    ) -> [(feature: Feature, memory: UnsafeMutableRawPointer)] {
      zip(features, features.offsets).map { ($0, start + $1) }
    }
    var sample = Sample(
      of: name, index: position, places(inputFeatures, input) + places(targetFeatures, target))
    do {
      try dataset.read(position, into: &sample)
    } catch let error where !(error is Failure) {
      throw Failure(.badData, "\(name): sample \(position): \(error)")
    }
    try sample.verify()
  }
}

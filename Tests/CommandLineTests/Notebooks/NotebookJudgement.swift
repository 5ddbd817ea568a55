import Foundation
import TestSupport
import Testing

/// One line of the table: a figure of a system.
struct SystemLine: Sendable {
  /// As in ../shared/systems.md: S01 to S34.
  let system: String
  /// In words; the key in Golden/systems.json where PyTorch has it.
  let figure: String
  /// What the notebook prints; empty: nothing.
  let notebook: String
  /// What a run must have made to have this figure.
  var epochs = 0
  let verdict: @Sendable (SeedRuns) throws -> Verdict

  struct Verdict {
    let nndist: String
    var pyTorch = ""
    let judgedBy: String
    let agrees: Bool
  }
}

/// PyTorch's figures of five seeds.
private struct PyTorchFigures: Decodable {
  struct System: Decodable {
    let name: String
    let perSeed: [[String: Entry]]

    enum CodingKeys: String, CodingKey {
      case name
      case perSeed = "per_seed"
    }
  }

  /// A number; "nan" or "inf"; or a list, which is no figure.
  struct Entry: Decodable {
    let number: Double?

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      number =
        (try? value.decode(Double.self)) ?? (try? value.decode(String.self)).flatMap(Double.init)
    }
  }

  let systems: [System]

  static func of(_ figure: String, recipe: String) throws -> [Double] {
    let all = try golden("systems.json", as: PyTorchFigures.self)
    let system = try #require(all.systems.first { $0.name == recipe }, "\(recipe)")
    return try system.perSeed.map { try #require($0[figure]?.number, "\(recipe): \(figure)") }
  }
}

/// Of the values of some seeds.
struct Sample {
  let values: [Double]

  init(_ values: [Double]) { self.values = values }

  var mean: Double { values.reduce(0, +) / Double(values.count) }

  /// With n - 1; 0 of one value.
  var deviation: Double {
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
  }

  var logarithms: Sample { Sample(values.map(log10)) }

  var text: String {
    let spread = values.count > 1 ? String(format: " ± %.2g", deviation) : ""
    return String(format: abs(mean) < 1e6 ? "%.4g" : "%.4e", mean) + spread
  }

  /// Whether the means are at most four standard errors of their difference apart, and `floor`. Four:
  /// so that of some sixty figures, whose spread is known from five values each, none should be off by
  /// chance. The spread of fewer seeds than five says little, and PyTorch's stands for it.
  func agrees(with other: Sample, floor: Double) -> Bool {
    let own = values.count < 5 ? other.deviation : deviation
    let error =
      (own * own / Double(values.count)
      + other.deviation * other.deviation / Double(other.values.count)).squareRoot()
    return abs(mean - other.mean) <= 4 * error + floor
  }
}

extension SystemLine {
  /// Five seeds' mean beside PyTorch's.
  static func mean(
    _ system: String, _ figure: String, _ notebook: String, epochs: Int = 0, floor: Double = 0,
    _ reading: Reading
  ) -> SystemLine {
    compared(system, figure, notebook, epochs, reading, by: "mean") { ours, theirs in
      ours.agrees(with: theirs, floor: floor)
    }
  }

  /// The same in logarithms, for losses that differ by factors from seed to seed: the plain mean is
  /// that of the worst seed.
  static func logarithm(
    _ system: String, _ figure: String, _ notebook: String, epochs: Int = 0,
    _ reading: Reading
  ) -> SystemLine {
    compared(system, figure, notebook, epochs, reading, by: "mean of log") { ours, theirs in
      ours.logarithms.agrees(with: theirs.logarithms, floor: 0)
    }
  }

  /// The best seed beside PyTorch's best, for systems of which some seeds end in a poorer minimum:
  /// how many do says little of five, but the good minimum is the same number.
  static func lowest(
    _ system: String, _ figure: String, _ notebook: String, epochs: Int = 0,
    within tolerance: Double, _ reading: Reading
  ) -> SystemLine {
    compared(system, figure, notebook, epochs, reading, by: "best seed") { ours, theirs in
      let (own, other) = (ours.values.min()!, theirs.values.min()!)
      return abs(own - other) <= tolerance * other
    }
  }

  private static func compared(
    _ system: String, _ figure: String, _ notebook: String, _ epochs: Int, _ reading: Reading,
    by judge: String, _ agree: @escaping @Sendable (_ ours: Sample, _ theirs: Sample) -> Bool
  ) -> SystemLine {
    SystemLine(system: system, figure: figure, notebook: notebook, epochs: epochs) { runs in
      let ours = Sample(try runs.runs.map { try reading.read($0) })
      let theirs = Sample(try PyTorchFigures.of(figure, recipe: runs.recipe))
      let isBest = judge == "best seed"
      func text(_ sample: Sample) -> String {
        sample.text + (isBest ? String(format: ", best %.4g", sample.values.min()!) : "")
      }
      return Verdict(
        nndist: text(ours), pyTorch: text(theirs), judgedBy: "\(judge) of \(ours.values.count)",
        agrees: agree(ours, theirs))
    }
  }

  /// For a network whose loss overflows from some seeds: the logarithm of the others, and that it is
  /// only some, here as there.
  static func finiteOnes(
    _ system: String, _ figure: String, _ reading: Reading
  ) -> SystemLine {
    SystemLine(system: system, figure: figure, notebook: "") { runs in
      let ours = try runs.runs.map { try reading.read($0) }
      let theirs = try PyTorchFigures.of(figure, recipe: runs.recipe)
      let (own, other) = (
        Sample(ours.filter(\.isFinite)), Sample(theirs.filter(\.isFinite))
      )
      try #require(!own.values.isEmpty)
      func text(_ sample: Sample, _ all: [Double]) -> String {
        "\(sample.values.count) of \(all.count) finite: \(sample.text)"
      }
      return Verdict(
        nndist: text(own, ours), pyTorch: text(other, theirs), judgedBy: "mean of log",
        agrees: own.values.count < ours.count
          && own.logarithms.agrees(with: other.logarithms, floor: 0))
    }
  }

  /// The first run's figure, to the digits that the notebook prints.
  static func printed(
    _ system: String, _ figure: String, _ notebook: String, _ reading: Reading
  ) -> SystemLine {
    SystemLine(system: system, figure: figure, notebook: notebook) { runs in
      let value = try reading.read(runs.runs[0])
      let digits = notebook.split(separator: ".").dropFirst().first?.count ?? 0
      return Verdict(
        nndist: String(format: "%.\(digits)f", value), judgedBy: "printed digits",
        agrees: String(format: "%.\(digits)f", value) == notebook)
    }
  }

  /// Something else that is exactly so.
  static func exact(
    _ system: String, _ figure: String, _ notebook: String,
    _ check: @escaping @Sendable (SeedRuns) throws -> (nndist: String, holds: Bool)
  ) -> SystemLine {
    SystemLine(system: system, figure: figure, notebook: notebook) { runs in
      let (text, holds) = try check(runs)
      return Verdict(nndist: text, judgedBy: "exactly", agrees: holds)
    }
  }
}

/// Where a run has a figure.
struct Reading: Sendable {
  let read: @Sendable (SeedRun) throws -> Double

  /// The loss of the weights after so many steps, where a step's batch is the whole set.
  static func loss(after steps: Int) -> Reading {
    Reading { run in
      let all = try run.steps
      try #require(all.count > steps, "\(all.count) steps")
      return all[steps].loss
    }
  }

  /// The mean of an epoch's batches' losses, each before its update; epochs counted from 0.
  static func trainLoss(epoch: Int) -> Reading {
    Reading { run in
      let losses = try run.steps.filter { $0.epoch == epoch + 1 }.map(\.loss)
      try #require(!losses.isEmpty)
      return Sample(losses).mean
    }
  }

  /// Of the split that the run evaluates, after an epoch counted from 1; nil: after the last.
  static func evaluated(
    after epoch: Int? = nil, _ figure: @escaping @Sendable (SeedRun.Evaluation) -> Double?
  ) -> Reading {
    Reading { run in
      let all = try run.evaluations
      let found = epoch.map { wanted in all.first { $0.epoch == wanted } } ?? all.last
      return try #require(found.flatMap(figure))
    }
  }

  static let finalLoss = evaluated { $0.loss }
  static let finalAccuracy = evaluated { $0.accuracy }

  static func parameter(_ name: String) -> Reading { Reading { try $0.number(name) } }

  /// What `nndist eval` prints of the training set.
  static let trainAccuracy = Reading { run in
    let text = try run.ask("eval", ["--split", "train"])
    let match = try #require(try /train accuracy .* \((\d+) of (\d+)\)/.firstMatch(in: text))
    return Double(match.1)! / Double(match.2)!
  }

  /// The mean over samples that `nndist eval` prints of a split.
  static func loss(split: String, set setting: String? = nil) -> Reading {
    Reading { run in
      let text = try run.ask(
        "eval", ["--split", split] + (setting.map { ["--set", $0] } ?? []))
      return Double(try #require(try /loss +([\d.]+) a sample/.firstMatch(in: text)).1)!
    }
  }

  /// With hidden nodes that are 0 or 1 (`Threshold(0.5, 0)(a) / a` in the notebook).
  static let binaryLoss = loss(split: "train", set: "model.binary_threshold=0.5")

  var squareRoot: Reading { Reading { try read($0).squareRoot() } }
}

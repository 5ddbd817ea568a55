import Autograd
import Datasets
import Foundation
import Kernels
import Layers
import System
import Tensors
import Training

/// The outputs of a network for samples, as a table and as an array.
final class Prediction {
  private var header: [String]
  /// The rows of the table. It may leave out samples; the array has all of them.
  private var lines: [[String]] = []
  private var values: [Float] = []
  private var shape: [Int] = []

  /// Computes the network's outputs, in the targets' units; for a classifier, the table has labels
  /// and probabilities.
  /// - onlyWrong: whether the table has only misclassified samples. Needs targets.
  static func outputs(_ run: TrainedRun, _ reader: SplitReader, onlyWrong: Bool) throws
    -> Prediction
  {
    let rule = run.job.accuracy(for: reader.targetType)
    if onlyWrong && rule == .none {
      throw Failure(
        .usage, "--misclassified: \(run.recipe.name) has no classes",
        remedy: "leave the option away to see the outputs")
    }
    let names = run.classNames(reader)
    let hasTargets = reader.targetElementCount > 0
    let result = Prediction(header: ["sample"])
    let network = run.module
    try result.collect(
      run, reader,
      forward: { x in
        let y = network(x).first
        return rule == .none ? Tensor(run.inTargetUnits(y), shape: y.shape) : y
      },
      add: { first, batch, outputs in
        if rule == .none {
          result.addNumbers(first, outputs)
        } else if outputs.axisCount > 2 {
          result.addSequences(
            first, batch, outputs, run.module, rule, names, onlyWrong: onlyWrong)
        } else {
          if first == 0 {
            result.header +=
              (hasTargets ? ["actual"] : []) + ["label"]
              + names.map { run.hasProbabilities ? "p(\($0))" : "output(\($0))" }
          }
          let actual = hasTargets ? rule.actual(batch.targets.first) : nil
          let probabilities = run.probabilities(outputs)
          for (row, label) in rule.predicted(outputs).enumerated() {
            if onlyWrong && actual?[row] == label { continue }
            result.lines.append(
              ["\(first + row)"] + (actual.map { [names[$0[row]]] } ?? []) + [names[label]]
                + probabilities[row].map { String(format: "%.4f", $0) })
          }
        }
      })
    return result
  }

  /// Adds a line for each sequence: the target; the prediction with teacher forcing; and, if the
  /// network is a SequenceGenerator, the free-running prediction.
  private func addSequences(
    _ first: Int, _ batch: Batch, _ outputs: Tensor, _ module: any Module, _ rule: AccuracyRule,
    _ names: [String], onlyWrong: Bool
  ) {
    let length = outputs.shape.dropFirst(2).reduce(1, *)
    func sequences(_ all: [Int]) -> [[Int]] {
      stride(from: 0, to: all.count, by: length).map { Array(all[$0..<$0 + length]) }
    }
    let predicted = sequences(rule.predicted(outputs))
    let hasTargets = batch.targets.first.elementCount > 0
    let actual = hasTargets ? sequences(rule.actual(batch.targets.first)) : nil
    let generated = (module as? any SequenceGenerator).map { network in
      network.generate(source: batch.inputs.only[Every(), 0])
    }
    if first == 0 {
      header +=
        (hasTargets ? ["actual"] : []) + ["teacher_forced"]
        + (generated == nil ? [] : ["free_running"])
    }
    for row in predicted.indices {
      let answer = generated?[row] ?? predicted[row]
      if onlyWrong && answer == actual?[row] { continue }
      let all =
        (actual.map { [$0[row]] } ?? []) + [predicted[row]] + (generated.map { [$0[row]] } ?? [])
      lines.append(
        ["\(first + row)"] + all.map { $0.map { names[$0] }.joined(separator: " ") })
    }
  }

  /// Computes a layer's outputs, which are flattened in the table.
  static func activations(
    _ run: TrainedRun, _ reader: SplitReader, layer: String
  ) throws -> Prediction {
    let result = Prediction(header: ["sample"])
    let network = run.module
    try result.collect(
      run, reader,
      forward: { x in
        try ActivationRecorder.record([layer], in: network) { network(x).first }[0].output
      }, add: { first, _, outputs in result.addNumbers(first, outputs) })
    return result
  }

  /// Forecasts the second half of each series: the actual values, the predictions with teacher
  /// forcing, and the free-running predictions from the middle on.
  static func forecast(_ run: TrainedRun, _ reader: SplitReader, steps: Int) throws -> Prediction {
    guard let network = run.module as? any Forecaster else {
      throw Failure(
        .usage, "--forecast: \(run.recipe.name)'s network is no recurrent network over series",
        remedy: "use it with recipes such as trend-rnn")
    }
    let result = Prediction(header: ["series", "step", "actual", "teacher_forced", "free_running"])
    try result.collect(run, reader) { first, batch, outputs in
      let inputs = batch.inputs.only
      let length = inputs.shape[1]
      let start = length / 2
      let warmUp = inputs.narrow(axis: 1, start: 0, count: start)
      guard start > 0, inputs.axisCount == 3, inputs.shape[2] == 1 else {
        throw Failure(
          .usage,
          "--forecast: samples of shape \(inputs.shape.dropFirst()) are no series [T, 1]")
      }
      let free = run.inTargetUnits(
        try network.forecast(warmUp: warmUp.contiguous(), steps: steps))
      let (actual, forced) = (run.inTargetUnits(batch.targets.only), run.inTargetUnits(outputs))
      for row in 0..<inputs.shape[0] {
        for step in 0..<steps {
          // The output of step i is the value at i + 1.
          let place = start - 1 + step
          let isKnown = place < length
          func known(_ all: [Float]) -> String { isKnown ? "\(all[row * length + place])" : "" }
          result.lines.append([
            "\(first + row)", "\(place + 1)", known(actual), known(forced),
            "\(free[row * steps + step])",
          ])
        }
      }
    }
    return result
  }

  private init(header: [String]) { self.header = header }

  private func addNumbers(_ first: Int, _ outputs: Tensor) {
    let width = outputs.elementCount / max(outputs.shape[0], 1)
    if header.count == 1 {
      header += width == 1 ? ["output"] : (0..<width).map { "output_\($0)" }
    }
    let numbers = outputs.values(Float.self)
    for row in 0..<outputs.shape[0] {
      lines.append(
        ["\(first + row)"] + numbers[row * width..<(row + 1) * width].map { "\($0)" })
    }
  }

  private func collect(
    _ run: TrainedRun, _ reader: SplitReader, forward: ((NamedTensors) throws -> Tensor)? = nil,
    add: (_ first: Int, Batch, Tensor) throws -> Void
  ) throws {
    run.module.eval()
    var first = 0
    var all: [Float] = []
    while first < reader.sampleCount {
      let count = min(256, reader.sampleCount - first)
      let batch = try reader.read(count, run.format)
      try noGrad {
        let outputs = try forward?(batch.inputs) ?? run.module(batch.inputs).first
        all += outputs.values(Float.self)
        shape = [reader.sampleCount] + outputs.shape.dropFirst()
        try add(first, batch, outputs)
      }
      first += count
    }
    values = all
  }

  /// Writes the table, or the array to a .npy file.
  func write(to path: String?) throws {
    guard let path, path.hasSuffix(".npy") else {
      let text = ([header] + lines).map { $0.map(Prediction.quoted).joined(separator: ",") + "\n" }
        .joined()
      guard let path else { return print(text, terminator: "") }
      return try DurableFile.replace(path, with: text)
    }
    try NPYFile.write(values, shape: shape, to: path)
    print("\(path): float32 \(shape)")
  }

  /// Quotes a cell of a .csv file as in RFC 4180.
  private static func quoted(_ cell: String) -> String {
    guard cell.contains(where: { ",\"\n\r".contains($0) }) else { return cell }
    return "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}

import Autograd
import Layers
import System
import Tensors
import TestSupport
import Testing

import func System.fixed

/// The 34 systems of the notebooks: what they print, what nndist prints, what PyTorch prints of five
/// seeds (Golden/systems.py). The table is printed when the last system is done.
///
/// `launch/test --long --filter NotebookTests` trains five seeds of each in full.
@Suite(.serialized) struct NotebookTests {
  @Test(arguments: SystemTraining.needing(.generated))
  func systemsOnGeneratedDataGiveTheNotebooksFigures(training: SystemTraining) throws {
    try check(training)
  }

  @Test(
    .enabled(if: SystemTraining.DataNeed.mnist.arguments != nil, "../shared is not there"),
    arguments: SystemTraining.needing(.mnist))
  func systemsOnMNISTGiveTheNotebooksFigures(training: SystemTraining) throws {
    try check(training)
  }

  @Test(
    .enabled(
      if: SystemTraining.DataNeed.fashion.arguments != nil, "dataset-fashion-mnist is not there"),
    arguments: SystemTraining.needing(.fashion))
  func systemsOnGarmentsGiveTheNotebooksFigures(training: SystemTraining) throws {
    try check(training)
  }

  private func check(_ training: SystemTraining) throws {
    defer { NotebookReport.partIsDone() }
    let runs = try training.train()
    let epochs = isLong ? Int.max : training.briefEpochs ?? .max
    for line in training.lines where line.epochs <= epochs {
      expect(line.system, line.figure, line.notebook, try line.verdict(runs))
    }
  }

  private func expect(
    _ system: String, _ figure: String, _ notebook: String, _ verdict: SystemLine.Verdict
  ) {
    NotebookReport.add(system, figure, notebook, verdict)
    #expect(
      verdict.agrees,
      """
      \(system), \(figure): nndist \(verdict.nndist), PyTorch \(verdict.pyTorch), notebook \
      \(notebook); judged by \(verdict.judgedBy)
      """)
  }

  /// Pieces of the library, which no recipe trains. More of them: NotebookTests.
  @Test func systemsThatAreNotTrainedGiveTheNotebooksFigures() throws {
    defer { NotebookReport.partIsDone() }
    func exact(
      _ system: String, _ figure: String, _ notebook: String, _ found: String, _ holds: Bool
    ) {
      expect(
        system, figure, notebook, .init(nndist: found, judgedBy: "exactly", agrees: holds))
    }

    let losses = [0.01, 0.3, 0.5, 1].map { probability in
      fixed(BCELoss()(Tensor.full([1], probability), Tensor.ones([1])).item(), 4)
    }.joined(separator: " ")
    let logarithms = "4.6052 1.2040 0.6931 0.0000"
    exact("S13", "BCE of 0.01, 0.3, 0.5, 1", logarithms, losses, losses == logarithms)

    let shapes = probedShapes()
    let printed = "16x20x26x26 16x20x13x13 16x16x13x13 16x32x5x5 16x128x1x1 16x10"
    exact("S26", "shapes", printed, shapes, shapes == printed)

    for (system, inputs) in [("S31", [1, 1, 1]), ("S32", [1, 2, 3])] as [(String, [Float])] {
      let (found, expected) = try unrolled(inputs)
      let text = found.outputs.map { fixed($0, 4) }.joined(separator: " ")
      exact(
        system, "outputs for \(inputs.map { fixed(Double($0), 0) }.joined(separator: " "))", "",
        "\(text), by hand the same",
        // 32 products of numbers near 1, in float32 and in double.
        found.outputs.count == 3 && found.hidden.count == 3 * 32
          && zip(found.outputs + found.hidden, expected.outputs + expected.hidden)
            .allSatisfy { abs($0 - $1) < 1e-4 }
      )
    }
  }

  /// Of S26's layers and chain, on one batch of 16.
  private func probedShapes() -> String {
    let batch = Tensor.randn([16, 1, 28, 28], seed: 0, purpose: "batch")
    var found: [Tensor] = []
    let single = ReLU()(Conv2d(1, 20, kernel: 3)(batch))
    found = [single, MaxPool2d(2)(single)]
    var x = batch
    for (inputs, outputs) in [(1, 16), (16, 32), (32, 128)] {
      x = MaxPool2d(2)(ReLU()(Conv2d(inputs, outputs, kernel: 3)(x)))
      found.append(x)
    }
    found.append(Linear(128, 10)(Flatten()(x)))
    return found.map { $0.shape.map { "\($0)" }.joined(separator: "x") }.joined(separator: " ")
  }

  private typealias Series = (outputs: [Double], hidden: [Double])

  /// The handwritten RNN(1, 32, 1, ReLU) on three inputs, and the notebook's equations step by step:
  /// h = relu(w_hx x + w_hh h + b_h), y = w_yh h + b_y.
  private func unrolled(_ inputs: [Float]) throws -> (found: Series, expected: Series) {
    let network = ElmanNetwork(inputSize: 1, hiddenSize: 32, outputSize: 1, activation: .relu)
    var found: Series = ([], [])
    found.hidden = try ActivationRecorder.record(["act"], in: network) {
      let outputs = network(Tensor(inputs, shape: [1, 3, 1]))
      found.outputs = outputs.asDoubles
      return outputs
    }[0].output.asDoubles

    let parameters = Dictionary(
      uniqueKeysWithValues: network.namedParameters.map { ($0.name, $0.tensor.asDoubles) })
    func weights(_ name: String) throws -> [Double] { try #require(parameters[name]) }
    let (hh, hx, yh) = (try weights("w_hh"), try weights("w_hx"), try weights("w_yh"))
    let (bh, by) = (try weights("b_h"), try weights("b_y")[0])
    var expected: Series = ([], [])
    var h = [Double](repeating: 0, count: 32)
    for x in inputs.map(Double.init) {
      h = (0..<32).map { row in
        max(0, hx[row] * x + bh[row] + (0..<32).reduce(0) { $0 + hh[32 * row + $1] * h[$1] })
      }
      expected.hidden += h
      expected.outputs.append(by + zip(yh, h).reduce(0) { $0 + $1.0 * $1.1 })
    }
    return (found, expected)
  }
}

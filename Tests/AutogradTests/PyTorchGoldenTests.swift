import Autograd
import System
import Tensors
import TestSupport
import Testing

/// Values and gradients against PyTorch's, made by Golden/ops.py.
struct PyTorchGoldenTests {
  struct Packed: Decodable, Sendable {
    let shape: [Int]
    let values: [Float]
    var tensor: Tensor { Tensor(values, shape: Shape(shape)) }
  }

  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let op: String
    let inputs, gradients: [Packed]
    let output, seed: Packed
    let targets: [Int64]
    var testDescription: String { "\(op) of \(inputs.map(\.shape))" }
  }

  /// Both are float32 and add the same terms, each in an order of its own: a sum of k terms of
  /// size m is off by sqrt(k) u m or so, u = 2^-24, and at most k u m (k <= 100 here and all terms
  /// below 10). So 1e-6, about 16 u, of the largest element, not of each: an element can be the
  /// difference of larger ones.
  private func expectNear(_ actual: Tensor, _ expected: Packed, _ what: String) {
    let largest = expected.values.map { abs(Double($0)) }.max() ?? 0
    expectClose(actual, expected.values.map(Double.init), shape: Shape(expected.shape), what) { _ in
      1e-6 * max(largest, 1e-3)
    }
  }

  @Test(arguments: try golden("ops.json", as: [Case].self))
  func valuesAndGradientsArePyTorchs(known: Case) throws {
    let inputs = known.inputs.map(\.tensor)
    for input in inputs { input.requiresGrad = true }
    let targets = Tensor(known.targets, shape: [known.targets.count])
    let output: Tensor
    switch known.op {
    case "linear": output = linear(inputs[0], weight: inputs[1], bias: inputs[2])
    case "linear without bias": output = linear(inputs[0], weight: inputs[1], bias: nil)
    case "relu": output = inputs[0].relu()
    case "crossEntropy":
      output = crossEntropy(inputs[0], targets: targets, divisor: known.targets.count)
    case "mlp":
      let hidden = linear(inputs[0], weight: inputs[1], bias: inputs[2]).relu()
      output = crossEntropy(
        linear(hidden, weight: inputs[3], bias: inputs[4]), targets: targets,
        divisor: known.targets.count)
    default:
      Issue.record("an op of no test: \(known.op)")
      return
    }
    expectNear(output, known.output, "output")
    output.backward(seed: known.seed.tensor)
    for (i, (input, gradient)) in zip(inputs, known.gradients).enumerated() {
      expectNear(try #require(input.grad), gradient, "gradient of input \(i)")
    }
  }

  @Test func everyOpHasItsCase() throws {
    let ops = Set(try golden("ops.json", as: [Case].self).map(\.op))
    #expect(ops == ["linear", "linear without bias", "relu", "crossEntropy", "mlp"])
  }
}

import Kernels
import Tensors
import TestSupport
import Testing

/// Compares kernels that do two things in one pass with two passes and with simple loops, bit for
/// bit.
struct OutputActivationTests {
  private static let activations: [OutputActivation] = [.relu, .sigmoid, .tanh]

  /// Widths with a remainder for every width of the loops.
  private static let shapes: [Shape] =
    [
      [0, 3], [3, 0], [1, 1], [2, 3], [5, 7], [16, 50], [3, 16], [4, 64], [7, 93], [16, 784],
    ]
    + (1...20).map { [4, 60 + $0] }

  private func matrix(_ values: [Float], _ shape: Shape, by offset: Int) -> Tensor {
    unaligned(values, by: offset).viewed(as: shape)
  }

  /// The formula in float32.
  private func slope(_ activation: OutputActivation, _ dy: Float, _ y: Float) -> Float {
    switch activation {
    case .relu: y <= 0 ? 0 : dy
    case .sigmoid: dy * (y * (1 - y))
    case .tanh: dy * (1 - y * y)
    }
  }

  @Test(arguments: activations) func derivativeAndSumsInOnePassMatchTwoPasses(
    activation: OutputActivation
  ) {
    for (number, shape) in Self.shapes.enumerated() {
      var draws = Draws(case: number)
      let (rows, columns) = (shape[0], shape[1])
      let values = draws.floats(rows * columns)
      // Zeros of both signs, infinity and NaN.
      var results = draws.floats(rows * columns)
      for i in results.indices where draws.int(0...9) == 0 {
        results[i] = draws.pick([0, -0.0, 1, .nan, .infinity])
      }
      let (dy, y) = (matrix(values, shape, by: number % 7), matrix(results, shape, by: 3))
      let (dx, sums) = activationBackwardAndColumnSums(activation, dy, y: y, sums: nil)

      let expected = zip(values, results).map { slope(activation, $0, $1) }
      var totals = [Float](repeating: 0, count: columns)
      for i in expected.indices { totals[i % columns] += expected[i] }
      #expect(dx.shape == shape && dx.bits == expected.bits, "\(shape), \(draws)")
      #expect(sums.shape == [columns] && sums.bits == totals.bits, "\(shape), \(draws)")
      let alone = activationBackward(activation, dy, y: y)
      #expect(alone.bits == dx.bits && columnSums(alone).bits == sums.bits)
    }
  }

  @Test func sumsAreWrittenToTheDestination() {
    let place = Tensor(zeros: [2])
    let (dy, y) = (Tensor([[1.0, 2], [3, 4]]), Tensor([[1.0, -1], [1, 1]]))
    let (dx, sums) = activationBackwardAndColumnSums(.relu, dy, y: y, sums: place)
    #expect(sums === place && place.values(Float.self) == [4, 4])
    #expect(dx.values(Float.self) == [1, 0, 3, 4])
    #expect(dy.values(Float.self) == [1, 2, 3, 4])
  }

  /// float64 runs the reference loops, which float32 is compared with.
  @Test(arguments: activations) func float64MatchesFloat32(activation: OutputActivation) {
    var draws = Draws(case: 1)
    let (dy, y) = (draws.doubles(12), draws.doubles(12).map { abs($0) })
    let (dx, sums) = activationBackwardAndColumnSums(
      activation, Tensor(dy, shape: [3, 4]), y: Tensor(y, shape: [3, 4]), sums: nil)
    let alone = activationBackward(
      activation, Tensor(dy, shape: [3, 4]), y: Tensor(y, shape: [3, 4]))
    #expect(dx.values(Double.self) == alone.values(Double.self))
    #expect(sums.values(Double.self) == columnSums(alone).values(Double.self))
  }

  /// In place, with the bits of the function that returns a new tensor.
  @Test(arguments: activations) func resultOverwritesItsOperand(activation: OutputActivation) {
    for count in Array(0...70) + [255, 257, 1000] {
      var draws = Draws(case: count)
      let values = draws.floats(count).map { $0 * 8 } + [0, -0.0, .infinity, -.infinity, .nan]
      let (x, same) = (unaligned(values, by: count % 5), unaligned(values, by: 2))
      let expected =
        switch activation {
        case .relu: relu(same)
        case .sigmoid: apply(.sigmoid, same)
        case .tanh: apply(.elementary(.tanh), same)
        }
      let y = activated(x, by: activation)
      #expect(y === x && y.bits == expected.bits, "\(draws)")
      #expect(same.bits == values.bits)
    }
    let doubles = Tensor([-1, 0.5] as [Double], shape: [2])
    let y = activated(doubles, by: activation)
    #expect(y.values(Double.self)[0] <= 0.3 && y.values(Double.self)[1] >= 0.46)
  }

  @Test func squaredErrorAndGradientInOnePassMatchTwoPasses() {
    for count in Array(0...70) + [255, 256, 257, 511, 512, 513, 1025, 5000] {
      var draws = Draws(case: count)
      let (x, y) = (draws.floats(count), draws.floats(count))
      let (left, right) = (unaligned(x, by: count % 17), unaligned(y, by: 3))
      let (sum, gradient) = squaredErrorAndGradient(left, right, scale: 1 / 3.0)
      #expect(sum == lossSum(.squaredError, left, right), "\(draws)")
      #expect(gradient.bits == zip(x, y).map { 2 * ($0 - $1) * Float(1 / 3.0) }.bits, "\(draws)")
      #expect(gradient.bits == lossGradient(.squaredError, left, right, scale: 1 / 3.0).bits)
    }
  }
}

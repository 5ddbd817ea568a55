import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

/// Compares the vectorized sigmoid and tanh with the same formulas in float64.
struct ExponentialTests {
  /// The range in which the functions change, densely around 0, and values beyond it.
  private static let arguments: [Float] = {
    var x: [Float] = [0, .leastNonzeroMagnitude, .leastNormalMagnitude, 0.625, 1e30, .infinity]
    x += (0...40_000).map { Float($0) * 0.003 }
    x += (0...20_000).map { Float(exp(Double($0) * -0.004)) }
    return x + x.map { -$0 } + [.nan]
  }()

  /// Three operations and an exponential that is within 2 units in the last place: within 4 units;
  /// or within e^-87.32, below which the exponential is 0.
  private func expectClose(_ y: Tensor, _ f: (Double) -> Double, _ what: String) {
    for (x, y) in zip(Self.arguments, y.values(Float.self)) {
      let expected = f(Double(x))
      if expected.isNaN {
        #expect(y.isNaN, "\(what) of \(x)")
        continue
      }
      let bound = max(4 * Double(Float(abs(expected)).ulp), exp(-87.32))
      #expect(abs(Double(y) - expected) <= bound, "\(what) of \(x): \(y), not \(expected)")
    }
  }

  @Test func sigmoidMatchesTheFormulaToTheLastPlaces() {
    let x = Tensor(Self.arguments, shape: [Self.arguments.count])
    expectClose(apply(.sigmoid, x), { 1 / (1 + exp(-$0)) }, "sigmoid")
  }

  @Test func tanhMatchesTheFormulaAndKeepsTheSign() {
    let x = Tensor(Self.arguments, shape: [Self.arguments.count])
    let y = apply(.elementary(.tanh), x)
    expectClose(y, { tanh($0) }, "tanh")
    for (x, y) in zip(Self.arguments, y.values(Float.self)) where !x.isNaN {
      #expect(x.sign == y.sign && abs(y) <= 1, "tanh of \(x)")
    }
  }

  /// Vectors and the remaining elements give the same bits, and so does a view of the elements.
  @Test func bitsDoNotDependOnThePosition() {
    var draws = Draws(case: 0)
    let values = draws.floats(133).map { $0 * 10 }
    for operation in [UnaryOperation.sigmoid, .elementary(.tanh)] {
      let whole = apply(operation, Tensor(values, shape: [133])).bits
      for (i, value) in values.enumerated() {
        #expect(apply(operation, Tensor([value], shape: [1])).bits == [whole[i]])
      }
      let grid = draws.laidOut(values, shape: [7, 19])
      #expect(apply(operation, grid).bits == whole)
    }
  }

  @Test func derivativesFromTheResultMatchTheFormulasBitForBit() {
    for count in [0, 1, 15, 16, 17, 100, 1001] {
      var draws = Draws(case: count)
      let (dy, y) = (draws.floats(count), draws.floats(count))
      let (left, right) = (unaligned(dy, by: 3), unaligned(y, by: 5))
      #expect(
        backward(.sigmoid, left, y: right).bits == zip(dy, y).map { $0 * ($1 * (1 - $1)) }.bits)
      #expect(
        backward(.elementary(.tanh), left, y: right).bits
          == zip(dy, y).map { $0 * (1 - $1 * $1) }.bits)
    }
  }
}

import Autograd
import Tensors
import TestSupport
import Testing

/// Every op's derivative against finite differences, and by hand.
struct GradientTests {
  private func leaf(_ shape: Shape, _ draws: inout Draws) -> Tensor {
    draws.laidOut(draws.doubles(shape.elementCount), shape: shape)
  }

  /// Away from 0 by more than the step of the differences, where relu has no derivative.
  private func leafAwayFromZero(_ shape: Shape, _ draws: inout Draws) -> Tensor {
    draws.laidOut(
      draws.doubles(shape.elementCount).map { $0 + ($0 < 0 ? -0.01 : 0.01) }, shape: shape)
  }

  static let shapes: [Shape] = [[], [1], [5], [2, 3], [1, 4], [2, 1, 3], [0], [3, 0]]

  @Test(arguments: shapes) func elementwiseOps(shape: Shape) {
    var draws = Draws(case: shape.elementCount)
    let (x, y) = (leaf(shape, &draws), leaf(shape, &draws))
    expectGradientsMatchFiniteDifferences([x, y], "add") { $0[0] + $0[1] }
    expectGradientsMatchFiniteDifferences([x, y], "multiply") { $0[0] * $0[1] }
    expectGradientsMatchFiniteDifferences([x], "x + x") { $0[0] + $0[0] }
    expectGradientsMatchFiniteDifferences([x], "x x") { $0[0] * $0[0] }
    expectGradientsMatchFiniteDifferences([x], "sum") { $0[0].sum() }
    expectGradientsMatchFiniteDifferences([leafAwayFromZero(shape, &draws)], "relu") {
      $0[0].relu()
    }
  }

  @Test func reshapes() {
    var draws = Draws(case: 1)
    let x = leaf([2, 3, 4], &draws)
    expectGradientsMatchFiniteDifferences([x], "reshape") { $0[0].reshaped([4, 6]) }
    expectGradientsMatchFiniteDifferences([x], "flatten") { $0[0].flattened() }
    expectGradientsMatchFiniteDifferences([x], "flatten 1") { $0[0].flattened(startAxis: 1) }
    expectGradientsMatchFiniteDifferences([x], "flatten 0 to -2") {
      $0[0].flattened(startAxis: 0, endAxis: -2) * $0[0].flattened(startAxis: 0, endAxis: 1)
    }
    #expect(x.flattened(startAxis: 1).shape == [2, 12])
    #expect(x.flattened(startAxis: 0, endAxis: 1).shape == [6, 4])
    #expect(x.flattened(startAxis: -1).shape == [2, 3, 4])
  }

  @Test(arguments: [(1, 1, 1), (2, 3, 4), (5, 7, 1), (0, 3, 2), (4, 1, 5)])
  func linearWithAndWithoutBias(n: Int, fanIn: Int, out: Int) {
    for number in 0..<5 {
      var draws = Draws(case: number)
      let (x, w, b) = (
        leaf([n, fanIn], &draws), leaf([out, fanIn], &draws),
        Tensor(draws.doubles(out), shape: [out])
      )
      expectGradientsMatchFiniteDifferences([x, w, b], "\(draws)") {
        linear($0[0], weight: $0[1], bias: $0[2])
      }
      expectGradientsMatchFiniteDifferences([x, w], "no bias, \(draws)") {
        linear($0[0], weight: $0[1], bias: nil)
      }
      // Only some inputs are leaves.
      let (constant, bias) = (x.value, b.value)
      expectGradientsMatchFiniteDifferences([w], "weight alone, \(draws)") {
        linear(constant, weight: $0[0], bias: bias)
      }
    }
  }

  @Test(arguments: [(1, 2), (4, 3), (7, 10), (3, 1)])
  func crossEntropyOfAnyDivisor(n: Int, classes: Int) {
    for divisor in [1, n, 64] {
      var draws = Draws(case: divisor)
      let targets = draws.laidOut(
        (0..<n).map { _ in Int64(draws.int(0...classes - 1)) }, shape: [n])
      expectGradientsMatchFiniteDifferences([leaf([n, classes], &draws)], "\(draws)") {
        crossEntropy($0[0], targets: targets, divisor: divisor)
      }
    }
  }

  @Test func compositesOfAllOps() {
    var draws = Draws(case: 2)
    let targets = Tensor([2, 0, 1, 1] as [Int64], shape: [4])
    let inputs = [
      leaf([4, 2, 3], &draws), leaf([5, 6], &draws), Tensor(draws.doubles(5), shape: [5]),
      leaf([3, 5], &draws), Tensor(draws.doubles(3), shape: [3]),
    ]
    expectGradientsMatchFiniteDifferences(inputs, "two layers") {
      let hidden = linear($0[0].flattened(startAxis: 1), weight: $0[1], bias: $0[2]).relu()
      return crossEntropy(linear(hidden, weight: $0[3], bias: $0[4]), targets: targets, divisor: 4)
    }
    expectGradientsMatchFiniteDifferences(inputs, "one weight used twice, a skip, a product") {
      let x = $0[0].flattened(startAxis: 1)
      let a = linear(x, weight: $0[1], bias: $0[2])
      let b = linear(x * x, weight: $0[1], bias: nil)
      let skip = a * b + (a + b).relu()
      return linear(skip, weight: $0[3], bias: $0[4]).sum() + skip.sum() * a.sum()
    }
  }

  @Test func diamondsByHand() {
    // a = 2x, b = a a, c = a + b, L = b c = a^3 + a^4: dL/dx = 2 (3 a^2 + 4 a^3).
    let x = Tensor(scalar: 1.5)
    x.requiresGrad = true
    let a = x + x
    let b = a * a
    let c = a + b
    (b * c).backward()
    #expect(x.grad?.item() == 270)  // at a = 3
  }

  @Test func crossEntropyByHand() {
    // Even odds of two classes: L = log 2, dx = 1/2 - onehot.
    let x = Tensor(zeros: [1, 2])
    x.requiresGrad = true
    let loss = crossEntropy(x, targets: Tensor([1] as [Int64], shape: [1]), divisor: 1)
    #expect(loss.shape == [] && loss.item() == Double(Float(0.6931471805599453)))
    loss.backward(retainGraph: true)
    #expect(x.grad?.values(Float.self) == [0.5, -0.5])
    // What is already there of the first pass is not changed by it, nor by other gradients of the loss.
    loss.backward(retainGraph: true)
    #expect(x.grad?.values(Float.self) == [1, -1])
    x.zeroGrad()
    (4 * loss).backward(retainGraph: true)
    #expect(x.grad?.values(Float.self) == [2, -2])
    loss.backward()
    #expect(x.grad?.values(Float.self) == [2.5, -2.5])
  }
}

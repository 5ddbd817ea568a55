import CKernels
import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

struct SoftmaxCrossEntropyTests {
  private static let u = 0x1p-24  // of float32: half a unit in the last place

  /// Softmax and loss of float32 logits in double, and the largest errors float32 allows.
  ///
  /// x - largest rounds (u |x - largest|), e^x is accurate to 1 unit in the last place (2 u), so
  /// the errors of the terms are (|d| + 2) u, and that of their sum is the mean of that under p, S;
  /// scale and product round once each. Probabilities below e^-87.33, slightly above the smallest
  /// normal number, may be 0.
  private func judge(_ logits: [Float], _ targets: [Int64], classes: Int)
    -> (probabilities: [Double], tolerance: [Double], loss: Double, lossTolerance: Double)
  {
    var x = logits.map(Double.init)
    var p = [Double](repeating: .nan, count: x.count)
    let loss = x.withUnsafeMutableBufferPointer { x in
      p.withUnsafeMutableBufferPointer {
        Reference.softmaxCrossEntropy(x, targets, $0, rows: targets.count, classes: classes)
      }
    }
    var (tolerance, lossTolerance) = ([Double](), 0.0)
    for row in targets.indices {
      let range = row * classes..<(row + 1) * classes
      let largest = x[range].max()!
      let d = x[range].map { abs($0 - largest) }
      let s = zip(p[range], d).reduce(0) { $0 + $1.0 * min($1.1, 1000) } + 2
      tolerance += zip(p[range], d).map { $0 * ($1 + 2 + s + 2) * Self.u + 1.19e-38 }
      lossTolerance += s * Self.u + 1e-12
    }
    return (p, tolerance, loss, lossTolerance)
  }

  private func check(_ logits: [Float], _ targets: [Int64], classes: Int, _ draws: inout Draws) {
    let expected = judge(logits, targets, classes: classes)
    let n = targets.count
    let (loss, p) = softmaxCrossEntropy(
      draws.laidOut(logits, shape: [n, classes]), draws.laidOut(targets, shape: [n]))
    expectClose(p, expected.probabilities, shape: [n, classes], "\(draws)") {
      expected.tolerance[$0]
    }
    expectClose([loss], [expected.loss], "loss, \(draws)") { _ in expected.lossTolerance }
  }

  @Test func agreesWithReferenceOverShapesAndScales() {
    for number in 0..<RandomCases.softmaxCrossEntropy {
      var draws = Draws(case: number)
      let (n, classes) = (draws.int(0...33), draws.pick([1, 2, 3, 7, 8, 10, 15, 16, 17, 33, 100]))
      let scale = draws.pick([0.01, 1, 10, 100, 1e4] as [Float])
      check(
        draws.floats(n * classes).map { $0 * scale },
        (0..<n).map { _ in Int64(draws.int(0...classes - 1)) }, classes: classes, &draws)
    }
  }

  /// Where x - largest is exact, only e^x, the sum and two roundings are left: 3 units in the last
  /// place. (The logits are multiples of 1/1024: all e^x that can occur.)
  @Test func probabilitiesAreAccurateToThreeUlp() {
    var worst = 0.0
    for step in stride(from: 0, through: 87 * 1024, by: 1) {
      let x: [Float] = [0, -Float(step) / 1024]
      var p: [Float] = [0, 0]
      _ = nd_softmax_cross_entropy(&p, x, [0], 1, 2)
      let sum = 1 + exp(Double(x[1]))
      for c in 0...1 {
        let exact = exp(Double(x[c])) / sum
        worst = max(worst, abs(Double(p[c]) - exact) / Double(Float(exact).ulp))
      }
    }
    #expect(worst < 3, "\(worst) ulp")
  }

  @Test func extremeLogitsGiveTheirLimits() {
    func row(_ logits: [Float], target: Int64) -> (loss: Double, p: [Float]) {
      let (loss, p) = softmaxCrossEntropy(
        Tensor(logits, shape: [1, logits.count]), Tensor([target], shape: [1]))
      return (loss, p.values(Float.self))
    }
    #expect(row([100, -100], target: 0) == (0, [1, 0]))
    #expect(row([100, -100], target: 1) == (200, [1, 0]))
    #expect(row([3e38, -3e38], target: 0) == (0, [1, 0]))
    #expect(row([-.infinity, 2, 2], target: 1).p == [0, 0.5, 0.5])
    #expect(abs(row([-.infinity, 2, 2], target: 1).loss - log(2)) < 1e-15)
    #expect(row([-.infinity, 2], target: 0).loss == .infinity)
    #expect(row([7], target: 0) == (0, [1]))
    for bad in [[.nan, 1, 2], [1, .nan, 2], [1, 2, .nan], [.infinity, 1, 2]] as [[Float]] {
      let (loss, p) = row(bad, target: 1)
      #expect(loss.isNaN && p.contains { $0.isNaN }, "\(bad)")
    }
  }

  @Test func nanStaysInItsRow() {
    for width in [3, 10, 17] {
      for place in 0..<width {
        var x = [Float](repeating: 0.5, count: 3 * width)
        x[width + place] = .nan
        var p = [Float](repeating: 0, count: x.count)
        let loss = nd_softmax_cross_entropy(&p, x, [0, 0, 0], 3, width)
        #expect(loss.isNaN)
        #expect(p[width..<2 * width].allSatisfy { $0.isNaN })
        #expect((p[..<width] + p[(2 * width)...]).allSatisfy { abs($0 * Float(width) - 1) < 1e-6 })
      }
    }
  }

  @Test func rowsOfProbabilitiesAddUpToOne() {
    var draws = Draws(case: 3)
    let (_, p) = softmaxCrossEntropy(
      Tensor(draws.floats(1000).map { $0 * 20 }, shape: [10, 100]), Tensor(zeros: [10], .int64))
    for row in 0..<10 {
      // 100 roundings of numbers with a sum of 1.
      #expect(abs(p.rows(row..<row + 1).asDoubles.reduce(0, +) - 1) < 4 * Self.u)
    }
  }

  /// One subtraction and one product an element: bit for bit.
  @Test func derivativeMatchesTheReferenceBitForBit() {
    for number in 0..<RandomCases.softmaxCrossEntropyBackward {
      var draws = Draws(case: number)
      let (n, classes) = (draws.int(0...40), draws.int(1...40))
      var p = draws.floats(n * classes).map { abs($0) }
      let targets = (0..<n).map { _ in Int64(draws.int(0...classes - 1)) }
      let scale = draws.double()
      var expected = [Float](repeating: .nan, count: p.count)
      p.withUnsafeMutableBufferPointer { p in
        expected.withUnsafeMutableBufferPointer {
          Reference.softmaxCrossEntropyBackward(
            p, targets, $0, rows: n, classes: classes, scale: scale)
        }
      }
      let places = draws.laidOut(targets, shape: [n])
      let dx = softmaxCrossEntropyBackward(
        probabilities: draws.laidOut(p, shape: [n, classes]), targets: places, scale: scale)
      #expect(dx.bits == expected.bits, "\(draws)")
      let own = Tensor(p, shape: [n, classes])
      _ = softmaxCrossEntropyBackward(
        probabilities: own, targets: places, scale: scale, into: own)
      #expect(own.bits == expected.bits, "in place, \(draws)")
    }
  }

  static let contracts = [
    BrokenContract(
      "target too high", "crossEntropy: target 3 of row 1 is not a class in 0 ..< 3"
    ) { _ = softmaxCrossEntropy(Tensor(zeros: [2, 3]), Tensor([2, 3] as [Int64], shape: [2])) },
    BrokenContract(
      "target below 0", "crossEntropy: target -1 of row 0 is not a class in 0 ..< 3"
    ) { _ = softmaxCrossEntropy(Tensor(zeros: [2, 3]), Tensor([-1, 3] as [Int64], shape: [2])) },
    BrokenContract(
      "target shape",
      "crossEntropy: logits must be [N, C] and targets [N] int64, not [2, 3] and [3] int64"
    ) { _ = softmaxCrossEntropy(Tensor(zeros: [2, 3]), Tensor(zeros: [3], .int64)) },
    BrokenContract(
      "target dtype",
      "crossEntropy: logits must be [N, C] and targets [N] int64, not [2, 3] and [2] float32"
    ) { _ = softmaxCrossEntropy(Tensor(zeros: [2, 3]), Tensor(zeros: [2])) },
    BrokenContract(
      "backward",
      "crossEntropy backward: probabilities [2, 3] and targets [3] do not belong together"
    ) {
      _ = softmaxCrossEntropyBackward(
        probabilities: Tensor(zeros: [2, 3]), targets: Tensor(zeros: [3], .int64), scale: 1)
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in SoftmaxCrossEntropyTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

import Autograd
import Layers
import Tensors
import TestSupport
import Testing

/// The losses as training uses them: mean, sum, and the shares of a batch's parts.
struct LossLayerTests {
  private static var targets: Tensor { Tensor([0, 2, 1, 1, 2] as [Int64], shape: [5]) }

  /// Every loss with a prediction and a target of 5 samples.
  private static func all(_ reduction: LossReduction) -> [(any ReducedLoss, Tensor, Tensor)] {
    var draws = Draws(case: 6)
    func tensor() -> Tensor { Tensor(draws.doubles(15).map { ($0 + 1) / 2 }, shape: [5, 3]) }
    let (x, y) = (tensor(), tensor())
    // Series of 4 steps: [N, C, T] and [N, T].
    let scores = Tensor(draws.doubles(60), shape: [5, 3, 4])
    let series = Tensor((0..<20).map { Int64($0 * $0 % 3) }, shape: [5, 4])
    return [
      (MSELoss(reduction: reduction), x, y), (L1Loss(reduction: reduction), x, y),
      (SmoothL1Loss(beta: 0.5, reduction: reduction), x, y),
      (HuberLoss(delta: 0.25, reduction: reduction), x, y),
      (BCELoss(reduction: reduction), x, y), (BCEWithLogitsLoss(reduction: reduction), x, y),
      (KLDivLoss(reduction: reduction), x, y),
      (KLDivLoss(reduction: reduction, isMeanOverSamples: true), x, y),
      (KLDivLoss(reduction: reduction, isTargetLog: true), x, y),
      (CrossEntropyLoss(reduction: reduction), x, targets),
      (CrossEntropyLoss(labelSmoothing: 0.1, reduction: reduction), x, targets),
      (CrossEntropyLoss(reduction: reduction), x, y),
      (CrossEntropyLoss(weights: [1, 2, 3], reduction: reduction), x, y),
      (NLLLoss(reduction: reduction), x, targets),
      (CrossEntropyLoss(reduction: reduction), scores, series),
      (CrossEntropyLoss(labelSmoothing: 0.1, reduction: reduction), scores, series),
      (NLLLoss(reduction: reduction), scores, series),
    ]
  }

  @Test func partsAddUpToTheWhole() {
    for reduction in [LossReduction.mean, .sum] {
      for (index, (loss, x, y)) in Self.all(reduction).enumerated() {
        let whole = loss(x, y).item()
        let parts = [0..<2, 2..<5].map { loss(x.rows($0), y.rows($0), globalCount: 5).item() }
        #expect(abs(parts[0] + parts[1] - whole) < 1e-13 * max(1, abs(whole)), "loss \(index)")
        // And by what each part counts.
        let count = [0..<2, 2..<5].reduce(0) { $0 + loss.count(x.rows($1), y.rows($1)) }
        #expect(count == loss.count(x, y), "loss \(index)")
        let mean = reduction == .mean ? whole : whole / count
        #expect(abs(loss(x, y, divisor: count).item() - mean) < 1e-13 * max(1, abs(mean)))
      }
    }
  }

  /// Where samples count differently, the sum of the parts' counts is the divisor.
  @Test func weightedPartsAddUpByTheirCounts() {
    var draws = Draws(case: 7)
    let x = Tensor(draws.doubles(15), shape: [5, 3])
    let losses: [any ReducedLoss] = [
      CrossEntropyLoss(weights: [0.5, 2, 1]), CrossEntropyLoss(ignoredTarget: 1),
      NLLLoss(weights: [0.5, 2, 1], ignoredTarget: 2),
    ]
    for loss in losses {
      let parts = [0..<1, 1..<5].map { (x.rows($0), Self.targets.rows($0)) }
      let divisor = parts.reduce(0) { $0 + loss.count($1.0, $1.1) }
      let sum = parts.reduce(0) { $0 + loss($1.0, $1.1, divisor: divisor).item() }
      #expect(abs(sum - loss(x, Self.targets).item()) < 1e-14)
    }
    #expect(CrossEntropyLoss(weights: [0.5, 2, 1]).count(x, Self.targets) == 6.5)
    #expect(CrossEntropyLoss(ignoredTarget: 1).count(x, Self.targets) == 3)
  }

  /// What the trainer calls is bit for bit the fast kernel.
  @Test func thePlainCrossEntropyIsTheFastKernel() {
    var draws = Draws(case: 8)
    let x = Tensor(draws.floats(15), shape: [5, 3])
    let ours = CrossEntropyLoss()(x, Self.targets, globalCount: 64)
    #expect(ours.bits == crossEntropy(x, targets: Self.targets, divisor: 64).bits)
  }

  @Test func anImageIsAMeanOverItsPixels() {
    let loss = CrossEntropyLoss()
    let x = Tensor(zeros: [2, 4, 3, 3])
    let y = Tensor(zeros: [2, 3, 3], .int64)
    #expect(abs(loss(x, y).item() - 1.3862943611198906) < 1e-6)  // ln 4
    #expect(abs(loss(x, y, globalCount: 2).item() - 1.3862943611198906) < 1e-6)
    #expect(loss.count(x, y) == 18)
  }

  static let contracts = [
    BrokenContract(
      "weights and a number of samples",
      "a mean with class weights or an ignored target divides by a sum over the global batch, which "
        + "its 5 samples do not tell: pass the sum of count(prediction, target) over all shards"
    ) {
      let loss = CrossEntropyLoss(weights: [1, 2, 3])
      _ = loss(Tensor(zeros: [5, 3]), targets, globalCount: 5)
    },
    BrokenContract(
      "a column against a row", "meanSquaredError: a prediction of shape [2000, 1] and a target of"
    ) { _ = MSELoss()(Tensor(zeros: [2000, 1]), Tensor(zeros: [2000])) },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in LossLayerTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

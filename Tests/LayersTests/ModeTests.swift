import Autograd
import Layers
import Tensors
import TestSupport
import Testing

/// Training and evaluation mode, and what layers remember.
struct ModeTests {
  private let x = Tensor((0..<12).map { Float($0 * $0) }, shape: [4, 3])

  @Test func trainAndEvalReachAllBelowAndReturnTheModule() {
    let (dropout, norm) = (Dropout(), BatchNorm1d(3))
    let module = Sequential(Sequential(dropout), ModuleList([norm]))
    #expect(dropout.isTraining && norm.core.isTraining)
    #expect(module.eval() === module)
    #expect(!dropout.isTraining && !norm.core.isTraining)
    #expect(module.train() === module)
    #expect(dropout.isTraining && norm.core.isTraining)
    module.train(false)
    #expect(!dropout.isTraining && !norm.core.isTraining)
  }

  @Test func dropoutIsTheIdentityInEvaluationMode() {
    let dropout = Dropout(0.5).eval()
    #expect(dropout(x) === x)
  }

  @Test func dropoutIsCountedByItsKeyAndItsNameInTheNetwork() {
    let module = Sequential(Dropout(0.5), Dropout(0.5))
    let ones = Tensor([Float](repeating: 1, count: 2 * 500), shape: [2, 500])
    func run(step: Int, samples: [Int]) -> [Float] {
      module.setRandomKey(RandomKey(seed: 1, step: step, samples: samples))
      return module(ones).values(Float.self)
    }
    let first = run(step: 1, samples: [5, 6])
    #expect(Set(first) == [0, 4])
    // Two independent layers: a quarter stays, within 5 standard deviations of 1,000 draws.
    let kept = Double(first.filter { $0 == 4 }.count)
    #expect(abs(kept - 250) < 5 * (1000 * 0.25 * 0.75).squareRoot())
    #expect(run(step: 2, samples: [5, 6]) != first)
    #expect(run(step: 1, samples: [5, 6]) == first)
    #expect(run(step: 1, samples: [6, 5]) == Array(first[500...]) + Array(first[..<500]))
  }

  @Test func withoutAKeyEveryCallIsAStep() {
    func calls(_ module: Sequential) -> [[Float]] {
      let ones = Tensor([Float](repeating: 1, count: 200), shape: [1, 200])
      return (0..<3).map { _ in module(ones).values(Float.self) }
    }
    let module = Sequential(Dropout(0.5), Dropout(0.5))
    module.initialize(seed: 3)
    let once = calls(module)
    #expect(once[0] != once[1] && once[1] != once[2])
    #expect(calls(module) != once)
    module.initialize(seed: 3)
    #expect(calls(module) == once)
    #expect(once[0].filter { $0 != 0 }.count < 80)  // both layers drop, and not the same
  }

  /// running = 0.9 running + 0.1 batch, with the variance over n - 1, by hand.
  @Test func batchNormRemembersItsBatches() {
    let norm = BatchNorm1d(1)
    let batch = Tensor([1, 2, 3, 6] as [Float], shape: [4, 1])
    _ = norm(batch)  // mean 3, squared distances 4 + 1 + 0 + 9 = 14
    let (mean, variance) = (norm.core.runningMean!, norm.core.runningVariance!)
    #expect(abs(mean.item() - 0.3) < 1e-7)
    #expect(abs(variance.item() - (0.9 + 0.1 * 14 / 3)) < 1e-6)
    #expect(norm.core.batchesTracked!.values(Int64.self) == [1])
    norm.eval()
    let y = norm(batch).values(Float.self)
    let expected = (1 - mean.item()) / (variance.item() + 1e-5).squareRoot()
    #expect(abs(Double(y[0]) - expected) < 1e-6)
    #expect(abs(mean.item() - 0.3) < 1e-7 && norm.core.batchesTracked!.item() == 1)
  }

  /// Without a momentum: the mean of what all batches gave.
  @Test func batchNormAveragesWithoutAMomentum() {
    let norm = BatchNorm2d(1, momentum: nil)
    for value in [1, 2, 6] as [Float] {
      _ = norm(Tensor([value, value + 2], shape: [2, 1, 1, 1]))
    }
    #expect(abs(norm.core.runningMean!.item() - 4) < 1e-6)
    #expect(abs(norm.core.runningVariance!.item() - 2) < 1e-6)
    #expect(norm.core.batchesTracked!.item() == 3)
  }

  /// Without running statistics the batch's own serve in both modes.
  @Test func batchNormWithoutStatisticsUsesTheBatchsInBothModes() {
    let norm = BatchNorm1d(3, tracksStatistics: false)
    let trained = norm(x).bits
    #expect(norm.eval()(x).bits == trained && norm.namedBuffers.isEmpty)
  }
}

import Datasets
import Tensors
import TestSupport
import Testing

struct SplitPlanTests {
  private func plan(
    _ count: Int, test: Int? = nil, draws: SampleDraws? = nil, _ holdout: Holdout = Holdout()
  ) throws -> SplitPlan {
    try SplitPlan(trainCount: count, testCount: test, draws: draws, holdout: holdout, name: "set")
  }

  @Test func withoutARuleAllSamplesTrainInTheirOrder() throws {
    let plan = try plan(10, test: 3)
    #expect(plan.train == .init(indices: nil, of: 10) && plan.test == .init(indices: nil, of: 3))
    #expect(plan.validation == nil)
    #expect(try self.plan(10).test == nil)
  }

  @Test(arguments: [10, 57, 1000]) func heldOutSplitsPartitionTheSamples(count: Int) throws {
    let plan = try plan(count, Holdout(test: 0.2, validation: 0.25, seed: 7))
    let parts = [plan.train, plan.validation!, plan.test!].map { $0.indices! }
    #expect(parts.flatMap { $0 }.sorted() == (0..<Int32(count)).map { $0 })
    #expect(parts[2].count == Int((Double(count) * 0.2).rounded()))
    #expect(parts[1].count == Int((Double(count - parts[2].count) * 0.25).rounded()))
    #expect(parts.allSatisfy { $0 == $0.sorted() })
    let other = try self.plan(count, Holdout(test: 0.2, validation: 0.25, seed: 8))
    #expect(other.train != plan.train)
  }

  @Test(arguments: [2, 3, 5]) func everySampleIsValidatedInExactlyOneFold(folds: Int) throws {
    var all: [Int32] = []
    for fold in 1...folds {
      let plan = try plan(23, test: 4, Holdout(folds: folds, fold: fold, seed: 1))
      let held = plan.validation!.indices!
      #expect((plan.train.indices! + held).sorted() == (0..<23).map { Int32($0) })
      #expect(abs(held.count - 23 / folds) <= 1)
      #expect(plan.test!.indices == nil)
      all += held
    }
    #expect(all.sorted() == (0..<23).map { Int32($0) })
  }

  /// The ids are numpy's: `np.random.seed(0); np.random.choice(np.arange(60000), 6000)`, then
  /// `np.random.choice(np.arange(10000), 1000)` (NumPyRandomTests holds the stream against numpy's own).
  @Test func drawsAreNumPysTrainingThenTest() throws {
    let plan = try plan(60000, test: 10000, draws: SampleDraws(train: 6000, test: 1000, seed: 0))
    #expect(plan.train.count == 6000 && plan.test!.count == 1000)
    #expect(Array(plan.train.indices!.prefix(4)) == [2732, 43567, 42613, 52416])
    #expect(Set(plan.train.indices!).count < 6000)
  }

  @Test func heldOutSamplesAreOfThoseThatWereDrawn() throws {
    let draws = SampleDraws(train: 50, test: nil, seed: 3)
    let whole = try plan(1000, draws: draws).train.indices!
    let plan = try plan(1000, draws: draws, Holdout(validation: 0.2))
    #expect(plan.train.count == 40 && plan.validation!.count == 10)
    #expect((plan.train.indices! + plan.validation!.indices!).sorted() == whole.sorted())
  }

  @Test func aSplitWithoutASampleIsRefused() {
    expectFailure(.badData, "set: its 3 samples leave none for the validation split") {
      _ = try plan(3, Holdout(validation: 0.1))
    }
    expectFailure(.badData, "set has a test split of its own") {
      _ = try plan(30, test: 4, Holdout(test: 0.1))
    }
    expectFailure(.badData, "set: 2 folds are more than its samples, 1") {
      _ = try plan(1, Holdout(folds: 2, fold: 1))
    }
  }
}

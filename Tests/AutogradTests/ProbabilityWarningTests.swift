import Autograd
import Foundation
import Tensors
import TestSupport
import Testing

/// Softmax fed to cross-entropy: a warning, once, and for nothing else.
struct ProbabilityWarningTests {
  @Test func softmaxIsRecognisedAndLogitsAreNot() {
    var draws = Draws(case: 1)
    for dtype in [DType.float32, .float64] {
      for (rows, classes) in [(1, 2), (5, 10), (64, 1000)] {
        let logits = Tensor(draws.doubles(rows * classes).map { 8 * $0 }, shape: [rows, classes])
          .to(dtype)
        let softmax = (logits - logits.logSumExp(axes: [1], keepAxes: true)).exp()
        #expect(looksLikeProbabilities(softmax), "\(draws), \(dtype) [\(rows), \(classes)]")
        #expect(looksLikeProbabilities(softmax.transposed().contiguous().transposed()))
        #expect(!looksLikeProbabilities(logits), "\(draws)")
        #expect(!looksLikeProbabilities(softmax.log()))
        #expect(!looksLikeProbabilities(softmax * 0.99))
        #expect(!looksLikeProbabilities(softmax * 0 + Double.nan))
      }
    }
  }

  @Test func whatTellsNothingIsNotRecognised() {
    #expect(!looksLikeProbabilities(Tensor([1, 1] as [Float], shape: [2, 1])))  // one class
    #expect(!looksLikeProbabilities(Tensor(zeros: [0, 3])))
    #expect(!looksLikeProbabilities(Tensor(zeros: [2, 3])))  // a network of zeros
    #expect(!looksLikeProbabilities(Tensor([0.5, 0.5, 0.5, 0.6] as [Float], shape: [2, 2])))
    #expect(!looksLikeProbabilities(Tensor([1.5, -0.5] as [Float], shape: [1, 2])))
  }

  private static let words = "nndist: warning: crossEntropy was given rows that are probabilities"

  private func warnings(_ result: ExitTest.Result?) -> Int {
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    return text.components(separatedBy: Self.words).count - 1
  }

  /// Both ops, and other threads: one line in all.
  @Test func theWarningComesOnceInAProcess() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      @Sendable func call() {
        let softmax = Tensor([0.25, 0.75, 0.5, 0.5] as [Float], shape: [2, 2])
        let targets = Tensor([0, 1] as [Int64], shape: [2])
        for _ in 0..<3 {
          _ = crossEntropy(softmax, targets: targets, divisor: 2)
          _ = crossEntropy(softmax, targets: targets, counting: ClassCounting())
        }
      }
      call()
      let threads = (0..<2).map { _ in Thread { call() } }
      for thread in threads { thread.start() }
      while !threads.allSatisfy(\.isFinished) { usleep(1000) }
    }
    #expect(warnings(result) == 1)
  }

  @Test func logitsBringNoWarning() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      let targets = Tensor([0, 1] as [Int64], shape: [2])
      let logits = Tensor([2, -1, 0.5, 0.25] as [Float], shape: [2, 2])
      _ = crossEntropy(logits, targets: targets, divisor: 2)
      _ = crossEntropy(logits, targets: targets, counting: ClassCounting())
    }
    #expect(warnings(result) == 0)
  }
}

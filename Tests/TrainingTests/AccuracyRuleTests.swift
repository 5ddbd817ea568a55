import Tensors
import Testing
import Training

struct AccuracyRuleTests {
  private func decisions(_ metric: AccuracyRule, _ prediction: Tensor, _ target: Tensor) -> [[Int]]
  {
    zip(metric.predicted(prediction), metric.actual(target)).map { [$0, $1] }
  }

  @Test func theLargestScoreIsTheClass() {
    let scores = Tensor([1, 3, 2, 5, 5, 0] as [Float], shape: [2, 3])
    let labels = Tensor([1, 2] as [Int64], shape: [2])
    #expect(decisions(.classes(count: 3), scores, labels) == [[1, 1], [0, 2]])
    let oneHot = Tensor([0, 1, 0, 0, 0, 1] as [Float], shape: [2, 3])
    #expect(decisions(.oneHot(count: 3), scores, oneHot) == [[1, 1], [0, 2]])
  }

  @Test func everyPlaceOfASequenceIsADecision() {
    // [N = 1, C = 2, T = 3]
    let scores = Tensor([1, 0, 4, 0, 2, 5] as [Float], shape: [1, 2, 3])
    let labels = Tensor([0, 1, 0] as [Int64], shape: [1, 3])
    #expect(decisions(.classes(count: 2), scores, labels) == [[0, 0], [1, 1], [1, 0]])
  }

  @Test func aProbabilityAboveTheThresholdIsClassOne() {
    let p = Tensor([0.2, 0.6, 0.7] as [Float], shape: [3, 1])
    let y = Tensor([0, 0, 1] as [Float], shape: [3, 1])
    #expect(decisions(.binary(threshold: 0.5), p, y) == [[0, 0], [1, 0], [1, 1]])
    #expect(decisions(.binary(threshold: 0.65), p, y) == [[0, 0], [0, 0], [1, 1]])
    // The notebook's mistake: above 0 every probability is class 1.
    #expect(decisions(.binary(threshold: 0), p, y).map { $0[0] } == [1, 1, 1])
  }

  @Test func precisionAndRecallAreThoseOfTheMatrix() {
    var matrix = ConfusionMatrix(classCount: 3)
    for (actual, predicted, count) in [(0, 0, 5), (0, 1, 2), (1, 1, 3), (1, 0, 1)] {
      for _ in 0..<count { matrix.add(predicted: predicted, actual: actual) }
    }
    #expect(matrix.total == 11 && matrix.correct == 8)
    #expect(matrix.precision(0) == 5 / 6.0 && matrix.recall(0) == 5 / 7.0)
    #expect(matrix.precision(1) == 3 / 5.0 && matrix.recall(1) == 3 / 4.0)
    #expect(matrix.precision(2) == nil && matrix.recall(2) == nil)
  }

  @Test func theStandardErrorIsTheBinomials() {
    var matrix = ConfusionMatrix(classCount: 2)
    for i in 0..<100 { matrix.add(predicted: i < 90 ? 1 : 0, actual: 1) }
    let result = Evaluation(loss: 0, lossBatchMean: 0, count: 100, confusion: matrix)
    #expect(result.accuracy == 0.9)
    #expect(abs(result.standardError! - 0.03) < 1e-12)  // sqrt(0.9 x 0.1 / 100)
  }
}

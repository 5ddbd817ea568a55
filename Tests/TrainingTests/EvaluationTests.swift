import DataParallel
import Datasets
import Foundation
import Layers
import Optimizers
import System
import TestSupport
import Testing
import Training

@Suite struct EvaluationTests {
  let folder = TemporaryFolder()

  /// Samples of 4 x 3 pixels, of 5 classes, in a few blocks of work.
  private static let count = 2503
  private static let pixelCount = 12
  private static let classCount = 5
  private let pixels = noise(count * pixelCount, seed: 3)
  private let classes = noise(count, seed: 4).map { $0 % UInt8(classCount) }

  private func data() -> TrainingData {
    let images = folder.write("images", idx([EvaluationTests.count, 4, 3], pixels))
    let labels = folder.write("labels", idx([EvaluationTests.count], classes))
    return TrainingData(name: "test", hasTestSource: true) { _ in
      try ImageStream(images: images, labels: labels, classCount: EvaluationTests.classCount)
    }
  }

  private func job(batchSize: Int) -> TrainingJob {
    TrainingJob(
      "test", data: data(),
      model: {
        Sequential(
          Flatten(startAxis: 1, endAxis: -1),
          Linear(EvaluationTests.pixelCount, EvaluationTests.classCount))
      }, loss: CrossEntropyLoss(), optimizer: .sgd(learningRate: 0.1), batchSize: batchSize,
      epochs: 1)
  }

  private func evaluation(batchSize: Int, threads: Int) throws -> Evaluation {
    let job = job(batchSize: batchSize)
    let module = job.makeModel()
    module.initialize(seed: 5)
    let pool = ShardThreads(count: threads)
    defer { pool.end() }
    return try Evaluation.run(
      module, on: job.data.reader(.test), job: job, format: job.data.format, threads: pool)
  }

  /// Each sample's loss, and whether the largest score is its class's, in double precision:
  /// loss = log sum exp(score) - score[class], score = W x + b.
  private func naive() -> [(loss: Double, isCorrect: Bool)] {
    let module = job(batchSize: 1).makeModel()
    module.initialize(seed: 5)
    let weight = module.namedParameters[0].tensor.values(Float.self).map(Double.init)
    let bias = module.namedParameters[1].tensor.values(Float.self).map(Double.init)
    let n = EvaluationTests.pixelCount
    return classes.enumerated().map { sample, label in
      let scores = bias.indices.map { c in
        (0..<n).reduce(bias[c]) {
          $0 + weight[c * n + $1] * Double(pixels[sample * n + $1]) / 255
        }
      }
      let best = scores.indices.max { scores[$0] < scores[$1] }!
      return (log(scores.map(exp).reduce(0, +)) - scores[Int(label)], best == Int(label))
    }
  }

  @Test(arguments: [1, 7, 64, 1000, 2503, 9999])
  func figuresAreThoseOfTheNaiveComputation(batchSize: Int) throws {
    let expected = naive()
    let mean = expected.map(\.loss).reduce(0, +) / Double(EvaluationTests.count)
    // What a notebook prints: the mean of each batch, and of those the mean.
    let batches = stride(from: 0, to: expected.count, by: batchSize).map {
      expected[$0..<min($0 + batchSize, expected.count)].map(\.loss)
    }
    let batchMean =
      batches.map { $0.reduce(0, +) / Double($0.count) }.reduce(0, +) / Double(batches.count)

    let found = try evaluation(batchSize: batchSize, threads: 1)
    // Float arithmetic in the scores: some 1e-7 of each.
    #expect(abs(found.loss - mean) < 1e-6 * mean)
    #expect(abs(found.lossBatchMean - batchMean) < 1e-6 * batchMean)
    #expect(found.correct == expected.count { $0.isCorrect })
    #expect(found.count == EvaluationTests.count)
    let correct = Double(expected.count { $0.isCorrect })
    #expect(found.accuracy == correct / Double(EvaluationTests.count))
    if EvaluationTests.count % batchSize == 0 || batchSize > EvaluationTests.count {
      #expect(abs(found.lossBatchMean - found.loss) < 1e-12)
    } else {
      #expect(abs(found.lossBatchMean - found.loss) > 1e-9)
    }
  }

  @Test(arguments: [7, 64, 1000])
  func threadsChangeNoBit(batchSize: Int) throws {
    let one = try evaluation(batchSize: batchSize, threads: 1)
    for threads in [2, 3, 8] {
      let many = try evaluation(batchSize: batchSize, threads: threads)
      #expect(many.confusion == one.confusion && many.lossBatchMean == one.lossBatchMean)
      #expect(many.loss.bitPattern == one.loss.bitPattern)
    }
  }
}

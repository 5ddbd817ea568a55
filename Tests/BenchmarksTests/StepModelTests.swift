import Benchmarks
import Foundation
import System
import Tensors
import TestSupport
import Testing

/// Sums between hosts as the formula has them: 2 log2(H) alpha + (H - 1) / H n (2 beta + gamma).
private func reduction(
  hosts: Int, alpha: Double, beta: Double, gamma: Double, noise: (Int) -> Double = { _ in 1 }
) -> ReduceMeasurement {
  let part = Double(hosts - 1) / Double(hosts)
  let rows = (0...8).map { i in
    let n = Double(1024 << (2 * i))
    let seconds = 2 * log2(Double(hosts)) * alpha + part * n * (2 * beta + gamma)
    return ReduceMeasurement.Row(
      bytes: n, reduceMicroseconds: seconds * noise(i) * 1e6,
      // gamma is 3 / (one rank's bandwidth).
      copyBytesPerSecond: 3 * Double(hosts) / gamma)
  }
  return ReduceMeasurement(ranks: hosts, hosts: hosts, rows: rows)
}

/// Forward 1 ms + 10 us a sample, backward 2 ms + 20 us a sample, optimizer 0.5 ms. 1 MB of gradients:
/// the second half is there after a half of the backward pass.
private let step = StepMeasurement(
  name: "made up", host: "here",
  gradients: [
    .init(name: "first", bytes: 524288, ready: 1), .init(name: "second", bytes: 524288, ready: 0.5),
  ],
  rows: [100.0, 400, 1000].map {
    .init(
      samples: $0, forwardMicroseconds: 1000 + 10 * $0, backwardMicroseconds: 2000 + 20 * $0,
      optimizerMicroseconds: 500)
  })

private func near(_ value: Double, _ expected: Double, _ tolerance: Double) -> Bool {
  abs(value / expected - 1) <= tolerance
}

@Suite struct LinkFitTests {
  @Test(arguments: [2, 4, 16])
  func fitFindsWhatTheTimesWereMadeOf(hosts: Int) {
    let fit = LinkFit(
      reduction(hosts: hosts, alpha: 25e-6, beta: 8e-9, gamma: 1e-10), bucketBytes: 262144,
      burstBytes: 0)
    // Double's rounding alone, through differences of two digits less.
    #expect(near(fit.latency, 25e-6, 1e-9))
    #expect(near(fit.secondsPerByte, 8e-9, 1e-9))
    #expect(near(fit.addSecondsPerByte, 1e-10, 1e-12))
    #expect(fit.relativeErrors.allSatisfy { abs($0) < 1e-9 })
    // Another number of hosts and another rate, by the formula: 3/4 and 7/8 of n, log2 2 and 3.
    #expect(
      near(
        fit.seconds(bytes: 1e6, hosts: 8, rate: 10),
        6 * 25e-6 + 7.0 / 8 * 1e6 * (2 * 8e-10 + 1e-10), 1e-9))
    #expect(fit.seconds(bytes: 1e6, hosts: 1, rate: 1) == 0)
  }

  /// Times that are up to 5 % off either way have a deviation of 2.9 %. By the covariance of the fit,
  /// (A^T A)^-1, that is 2.74 % of alpha and 1.18 % of beta for these rows; allowed are three of these.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func noiseMovesTheFitByLessThanItself(seed: UInt64) {
    let random = CountedRandom(seed: seed, purpose: "noise")
    let factors = (0...8).map { 0.95 + 0.1 * Double(random.uniform($0)) }
    let fit = LinkFit(
      reduction(hosts: 2, alpha: 25e-6, beta: 8e-9, gamma: 1e-10) { factors[$0] },
      bucketBytes: 262144, burstBytes: 0)
    #expect(near(fit.latency, 25e-6, 0.082), "seed \(seed): \(fit)")
    #expect(near(fit.secondsPerByte, 8e-9, 0.035), "seed \(seed): \(fit)")
  }

  /// A token bucket of 256 KB lets the smallest pass at once, and the others below 1 MB as it happens.
  @Test func whatABurstLetsPassDoesNotCount() {
    let (alpha, beta, gamma) = (25e-6, 8e-9, 1e-12)
    let steady = reduction(hosts: 2, alpha: alpha, beta: beta, gamma: gamma)
    let rows = steady.rows.map { row in
      ReduceMeasurement.Row(
        bytes: row.bytes,
        reduceMicroseconds: row.bytes == 1024
          ? 2 * alpha * 1e6 : row.reduceMicroseconds * (row.bytes < 1_048_576 ? 0.3 : 1),
        copyBytesPerSecond: row.copyBytesPerSecond)
    }
    let shaped = ReduceMeasurement(ranks: 2, hosts: 2, rows: rows)
    let fit = LinkFit(shaped, bucketBytes: 262144, burstBytes: 262144)
    // gamma, which the smallest row has not, is a 10,000th of its time.
    #expect(near(fit.latency, alpha, 1e-3) && near(fit.secondsPerByte, beta, 1e-3), "\(fit)")
    #expect(fit.relativeErrors.count == 5)
    let misled = LinkFit(shaped, bucketBytes: 262144, burstBytes: 0)
    #expect(!near(misled.secondsPerByte, beta, 0.1), "\(misled)")
  }

  /// Errors count relative to the time: the largest rows, thousands of times longer than the
  /// smallest, do not drown these.
  @Test func smallTimesCountAsMuchAsLarge() {
    let (x, y) = relativeLeastSquares([(1, 1, 2), (1, 1e6, 1.1e6)])
    // Two rows, two unknowns: x + y = 2, x + 1e6 y = 1.1e6.
    let y1 = (1.1e6 - 2) / (1e6 - 1)
    #expect(near(x, 2 - y1, 1e-6))
    #expect(near(y, y1, 1e-9))
  }

  @Test func nothingFittedIsBelowZero() {
    // t falls with b: only a constant is left; and with a: only a slope.
    #expect(relativeLeastSquares([(1, 1, 2), (1, 2, 1)]).y == 0)
    #expect(relativeLeastSquares([(1, 1, 1), (1, 2, 4)]).x == 0)
  }
}

@Suite struct StepModelTests {
  let between = reduction(hosts: 2, alpha: 1e-9, beta: 8e-9, gamma: 1e-13)

  /// Half a bucket's time each, in seconds: 524288 bytes at 2 beta / 2.
  let bucketSeconds = 524288 * 8e-9

  @Test func stepAloneIsTheLineThroughItsMeasurements() {
    let model = StepModel(between: between, inside: nil, step: step, bucketBytes: 524288)
    #expect(near(model.secondsAlone(samples: 200), 9.5e-3, 1e-9))
  }

  /// One measurement says nothing of what is fixed: a time in proportion to the samples.
  @Test func oneMeasurementIsProportional() {
    let one = StepMeasurement(
      name: "one", host: "here", gradients: step.gradients, rows: [step.rows[0]])
    let model = StepModel(between: between, inside: nil, step: one, bucketBytes: 524288)
    #expect(near(model.secondsAlone(samples: 50), (2e-3 + 4e-3) / 2 + 0.5e-3, 1e-9))
  }

  /// Backward 22 ms; the first bucket goes at 11 ms, takes 4.2 and is done; the second begins at 22.
  @Test func whatIsReadyEarlyIsHiddenAndTheLastBucketIsNot() {
    let model = StepModel(between: between, inside: nil, step: step, bucketBytes: 524288)
    let predicted = model.step(hosts: 2, ranksPerHost: 1, samples: 1000, rate: 1)
    #expect(near(predicted.seconds, 11e-3 + 22e-3 + bucketSeconds + 0.5e-3, 1e-5))
    #expect(near(predicted.reductionSeconds, 2 * bucketSeconds, 1e-5))
    #expect(near(predicted.hiddenPart, 0.5, 1e-5))
  }

  /// Backward 2 ms: the second bucket waits for the first, which begins at 1 ms.
  @Test func slowLinkIsTheBackwardPasssEnd() {
    let model = StepModel(between: between, inside: nil, step: step, bucketBytes: 524288)
    let predicted = model.step(hosts: 2, ranksPerHost: 1, samples: 0, rate: 1)
    #expect(near(predicted.seconds, 1e-3 + 1e-3 + 2 * bucketSeconds + 0.5e-3, 1e-5))
    // Of 2 ms the second one.
    #expect(near(predicted.hiddenPart, 0.5, 1e-5))
  }

  @Test func bucketsAreCutFromTheArenasBeginningAndArriveFromItsEnd() {
    let model = StepModel(between: between, inside: nil, step: step, bucketBytes: 400_000)
    #expect(model.buckets.map(\.bytes) == [248_576, 400_000, 400_000])
    // Of the second gradient 248 576 of 524 288 bytes, of the first 124 288, and all.
    let ready = [0.5 * 248_576 / 524_288, 0.5 + 0.5 * 124_288 / 524_288, 1]
    for (value, expected) in zip(model.buckets.map(\.ready), ready) {
      #expect(near(value, expected, 1e-12))
    }
  }

  /// Inside a host the measured table, between its rows by powers.
  @Test func timeInsideAHostIsInterpolated() {
    let inside = ReduceMeasurement(
      ranks: 4, hosts: 1,
      rows: [(1e5, 100.0), (1e7, 10000)].map {
        .init(bytes: $0, reduceMicroseconds: $1, copyBytesPerSecond: 1e10)
      })
    let model = StepModel(between: between, inside: inside, step: step, bucketBytes: 1_048_576)
    #expect(model.ranksPerHost == 4)
    // In proportion here: 1048576 bytes take 1048.576 us; nothing goes between hosts.
    let predicted = model.step(hosts: 1, ranksPerHost: 4, samples: 1000, rate: 1)
    #expect(near(predicted.reductionSeconds, 1048.576e-6, 1e-9))
    // Ten times the bytes of the largest row take ten times as long; below the smallest all the same.
    for (bytes, seconds) in [(1e8, 0.1), (1e3, 1e-4)] {
      let other = StepMeasurement(
        name: "one", host: "here", gradients: [.init(name: "all", bytes: bytes, ready: 1)],
        rows: step.rows)
      let model = StepModel(between: between, inside: inside, step: other, bucketBytes: bytes)
      let predicted = model.step(hosts: 1, ranksPerHost: 4, samples: 1000, rate: 1)
      #expect(near(predicted.reductionSeconds, seconds, 1e-9))
    }
  }

  @Test func efficienciesFollowTheirDefinitions() throws {
    let model = StepModel(between: between, inside: nil, step: step, bucketBytes: 524288)
    let report = StepReport(
      model, of: step, batch: 1024, bucketBytes: 524288, linkGigabits: 1, measuredMilliseconds: 20)
    #expect(report.rows.count == 12 * 3)
    let alone = model.secondsAlone(samples: 1024)
    let row = try #require(report.rows.first { $0.ranks == 8 && $0.gigabitsPerSecond == 10 })
    let strong = model.step(hosts: 8, ranksPerHost: 1, samples: 128, rate: 10).seconds
    let weak = model.step(hosts: 8, ranksPerHost: 1, samples: 1024, rate: 10).seconds
    #expect(near(try #require(row.strongEfficiency), alone / (8 * strong), 1e-12))
    #expect(near(row.weakEfficiency, alone / weak, 1e-12))
    // 1,024 samples have no parts for 2,048 ranks.
    #expect(
      report.rows.filter { $0.strongMilliseconds == nil }.map(\.ranks) == [
        2048, 2048, 2048, 4096, 4096, 4096,
      ])
    let two = model.step(hosts: 2, ranksPerHost: 1, samples: 512, rate: 1).seconds
    #expect(near(try #require(report.check).relativeError, two / 20e-3 - 1, 1e-12))
  }
}

/// What the files may hold.
@Suite struct StepMeasurementTests {
  let folder = TemporaryFolder()

  static let row = #"{"bytes": 1024, "reduce_microseconds": 5, "copy_bytes_per_second": 1e9}"#

  @Test(arguments: [
    ("", "not JSON"),
    ("{\"ranks\": 2,\n \"hosts\": oops}", "not JSON: Invalid value around character 23"),
    ("[]", "the top is not an object"), (#"{"hosts": 2, "rows": []}"#, "key ranks is missing"),
    (#"{"ranks": 2, "hosts": 2, "rows": []}"#, "rows is empty"),
    (#"{"ranks": 2, "hosts": 2, "rows": {}}"#, "key rows is not a list"),
    (#"{"ranks": "2", "hosts": 2, "rows": []}"#, "key ranks is not a number"),
    (#"{"ranks": 2.5, "hosts": 2, "rows": []}"#, "ranks is 2.5, not a whole number"),
    (
      "{\"ranks\": 2, \"hosts\": 2, \"rows\": [\(row), {\"bytes\": 1}]}",
      "key rows[1].reduce_microseconds is missing"
    ),
    (
      #"{"ranks": 2, "hosts": 2, "rows": [{"bytes": -1, "reduce_microseconds": 5, "copy_bytes_per_second": 1}]}"#,
      "rows[0].bytes is -1"
    ),
    ("{\"ranks\": 4, \"hosts\": 2, \"rows\": [\(row)]}", "4 ranks on 2 hosts"),
    ("{\"ranks\": 3, \"hosts\": 3, \"rows\": [\(row)]}", "3 ranks on 3 hosts"),
  ])
  func wrongReductionIsBadDataWithThePlace(text: String, part: String) {
    let path = folder.write("file.json", text)
    expectFailure(.badData, "\(path): ", part) { _ = try ReduceMeasurement.between(path) }
  }

  @Test func rowsAreSortedAndTheRestIsIgnored() throws {
    let rows = [4096, 1024].map {
      #"{"bytes": \#($0), "reduce_microseconds": 5, "copy_bytes_per_second": 1e9, "speedup": 1}"#
    }
    let path = folder.write(
      "in.json", #"{"ranks": 2, "hosts": 1, "cores": 2, "rows": [\#(rows.joined(separator: ","))]}"#
    )
    let measurement = try ReduceMeasurement.inside(path)
    #expect(measurement.rows.map(\.bytes) == [1024, 4096])
    #expect(throws: Failure.self) { try ReduceMeasurement.between(path) }
  }

  @Test(arguments: [
    (#"{"name": "n", "host": "h", "gradients": [], "rows": []}"#, "gradients is empty"),
    (
      #"{"name": "n", "host": "h", "gradients": [{"name": "w", "bytes": 4, "ready": 2}], "rows": []}"#,
      "gradients[0].ready is 2.0, not from 0 to 1"
    ),
    (
      #"{"name": "n", "host": "h", "gradients": [{"name": "w", "bytes": 4, "ready": 1}], "rows": [{"samples": 1, "forward_microseconds": 1, "backward_microseconds": 0, "optimizer_microseconds": 1}]}"#,
      "rows[0].backward_microseconds is 0.0"
    ),
    (#"{"name": 3, "host": "h", "gradients": [], "rows": []}"#, "key name is not a text"),
  ])
  func wrongStepIsBadDataWithThePlace(text: String, part: String) {
    let path = folder.write("file.json", text)
    expectFailure(.badData, "\(path): ", part) { _ = try StepMeasurement.read(path) }
  }
}

import Datasets
import System
import TestSupport
import Testing

/// Golden/generators.py: bits of float32.
private struct Case: Decodable {
  let inputs: [UInt32]
  let targets: [UInt32]
}

struct GeneratorTests {
  private let recorded: [String: Case]
  init() throws { recorded = try golden("generators.json") }

  private func numbers(_ source: ArraySource) -> [Float] {
    switch source.targets {
    case .classes(let indices, _): indices.map { Float($0) }
    case .numbers(let numbers): numbers
    }
  }

  private func expectRecorded(
    _ source: ArraySource, _ name: String, inputShape: [Int], targetShape: [Int],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let wanted = try #require(recorded[name], sourceLocation: location)
    #expect(source.inputShape == inputShape, sourceLocation: location)
    #expect(source.targetShape == targetShape, sourceLocation: location)
    #expect(
      source.inputs.map(\.bitPattern) == wanted.inputs, "\(name)", sourceLocation: location)
    #expect(
      numbers(source).map(\.bitPattern) == wanted.targets, "\(name)", sourceLocation: location)
  }

  @Test func ringsAreTheNotebooks() throws {
    let rings = ArraySource.rings(pairCount: 300, seed: 100)
    #expect(rings.sampleCount == 600)
    try expectRecorded(rings, "rings", inputShape: [2], targetShape: [1])
  }

  @Test(arguments: [Split.train, .test])
  func blobsAndTheirTestSetAreTwoCallsOnOneStream(split: Split) throws {
    func blobs(isBinary: Bool) -> ArraySource {
      .blobs(
        count: 40, testCount: 10, deviation: 1.5, isBinary: isBinary, seed: 3, split: split)
    }
    try expectRecorded(
      blobs(isBinary: false), "blobs \(split.rawValue)", inputShape: [2], targetShape: [])
    #expect(blobs(isBinary: false).targetType == .classIndex(count: 3))
    try expectRecorded(
      blobs(isBinary: true), "binary blobs \(split.rawValue)", inputShape: [2], targetShape: [1])
    #expect(blobs(isBinary: true).targetType == .float32)
  }

  /// The numbers that the notebook prints (systems.md, S09).
  @Test func lineIsTheNotebooks() throws {
    let line = ArraySource.line(
      count: 15, slope: 3, intercept: 4, low: 1, high: 30, deviation: 3, seed: 11)
    try expectRecorded(line, "line", inputShape: [1], targetShape: [1])
    #expect(line.inputs == [26, 17, 28, 18, 24, 14, 13, 2, 8, 19, 25, 14, 29, 17, 30])
    let y = numbers(line)
    #expect(abs(y[0] - 80.3901) < 5e-5 && abs(y[14] - 97.2869) < 5e-5)  // four decimals
  }

  @Test func curvesAreNumPys() throws {
    try expectRecorded(
      .parabola(count: 100, low: -2, high: 2), "parabola", inputShape: [1], targetShape: [1])
    try expectRecorded(
      .parabola(count: 1, low: 0.5, high: 3.7), "parabola of one", inputShape: [1],
      targetShape: [1])
    for isFlipped in [false, true] {
      let suffix = isFlipped ? " flipped" : ""
      let wave = ArraySource.wave(low: -10, high: 10, step: 0.1, isFlipped: isFlipped)
      #expect(wave.sampleCount == 200)
      try expectRecorded(wave, "wave" + suffix, inputShape: [1], targetShape: [1])
      try expectRecorded(
        .wave(low: 0.1, high: 5, step: 1.0 / 3, isFlipped: isFlipped), "wave in thirds" + suffix,
        inputShape: [1], targetShape: [1])
    }
  }

  @Test func seriesIsOneSampleOfEachSplit() throws {
    for (split, length) in [(Split.train, 699), (.test, 300)] {
      let trend = ArraySource.trend(
        length: 1000, intercept: 4, slope: 3, deviation: 0.1, noise: .series, seed: 0,
        trainFraction: 0.7, split: split)
      #expect(trend.sampleCount == 1)
      try expectRecorded(
        trend, "trend \(split.rawValue)", inputShape: [length, 1], targetShape: [length, 1])
    }
    for (split, length) in [(Split.train, 45), (.test, 12)] {
      try expectRecorded(
        .trend(
          length: 60, intercept: -1, slope: 0.5, curvature: 0.01, deviation: 0.2, noise: .point,
          seed: 8, lag: 3, trainFraction: 0.8, split: split),
        "quadratic \(split.rawValue)", inputShape: [length, 1], targetShape: [length, 1])
    }
  }

  @Test func noiseDrawsInputsFirst() throws {
    try expectRecorded(
      .noise(inputCount: 48, targetCount: 10, count: 2, seed: 4), "noise", inputShape: [48],
      targetShape: [10])
  }

  @Test func constantRepeatsItsPair() {
    let source = ArraySource.constant(input: 1, value: 0.25, count: 3)
    #expect(source.inputs == [1, 1, 1] && numbers(source) == [0.25, 0.25, 0.25])
    #expect(source.inputShape == [1] && source.targetShape == [1] && source.sampleCount == 3)
  }

  @Test func reversedSequencesAreOneHotWithAStartToken() throws {
    for (split, count) in [(Split.train, 5), (.test, 3)] {
      let source = ArraySource.reverse(
        count: 5, testCount: 3, length: 4, symbolCount: 6, seed: 6, split: split)
      #expect(source.sampleCount == count && source.targetType == .classIndex(count: 6))
      try expectRecorded(
        source, "reverse \(split.rawValue)", inputShape: [2, 4, 7], targetShape: [4])
    }
  }

  static let contracts = [
    BrokenContract("rings", "rings: 0 pairs") { _ = ArraySource.rings(pairCount: 0, seed: 0) },
    BrokenContract("wave", "wave: no x from 1.0 to 1.0 by 0.1") {
      _ = ArraySource.wave(low: 1, high: 1, step: 0.1)
    },
    BrokenContract("trend", "trend: no pair of 9 is left for test") {
      _ = ArraySource.trend(
        length: 10, intercept: 0, slope: 0, deviation: 0, noise: .point, seed: 0,
        trainFraction: 1, split: .test)
    },
    BrokenContract("reverse", "reverse: 5 and 0 sequences of 4 among 6 symbols") {
      _ = ArraySource.reverse(count: 5, length: 4, symbolCount: 6, seed: 0, split: .test)
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrap(_ contract: BrokenContract) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in GeneratorTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

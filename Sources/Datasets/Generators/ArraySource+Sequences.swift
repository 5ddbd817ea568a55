import System

/// How normal noise is added to a series.
package enum SeriesNoise: String, Sendable, CaseIterable {
  /// One number for the whole series.
  case series
  /// One number for each point.
  case point
}

extension ArraySource {
  /// A series and the same series `lag` points later, as ONE sample:
  /// s(t) = intercept + slope t + curvature t^2 + N(0, deviation^2), t = 0 ..< length.
  ///
  /// Of the length - lag pairs (s(t), s(t + lag)), the first Int(trainFraction * pairs) are the
  /// training set and the rest the test set. Noise is NumPy's `normal(0, deviation)` with `seed`.
  /// - Returns: input [T, 1], target [T, 1], numbers.
  /// - Precondition: `split` is train or test and has a pair; 1 <= lag.
  package static func trend(
    length: Int, intercept: Double, slope: Double, curvature: Double = 0, deviation: Double,
    noise: SeriesNoise, seed: UInt32, lag: Int = 1, trainFraction: Double, split: Split
  ) -> ArraySource {
    require(split != .validation, "trend has no validation set of its own")
    require(
      lag >= 1 && length > lag && (0...1).contains(trainFraction),
      "trend: \(length) points, lag \(lag), training fraction \(trainFraction)")
    var random = NumPyRandom(seed: seed)
    let sharedNoise = noise == .series ? random.normal(deviation: deviation) : 0
    let series = (0..<length).map { point in
      let t = Double(point)
      return Float(
        intercept + slope * t + curvature * t * t
          + (noise == .series ? sharedNoise : random.normal(deviation: deviation)))
    }
    let pairCount = length - lag
    let trainCount = Int(trainFraction * Double(pairCount))
    let pairs = split == .train ? 0..<trainCount : trainCount..<pairCount
    require(!pairs.isEmpty, "trend: no pair of \(pairCount) is left for \(split.rawValue)")
    return ArraySource(
      name: "trend \(split.rawValue)", inputs: Array(series[pairs]), inputShape: [pairs.count, 1],
      targets: .numbers(Array(series[pairs.lowerBound + lag..<pairs.upperBound + lag])),
      targetShape: [pairs.count, 1])
  }

  /// Sequences of symbols to be reversed, for an encoder and a teacher-forced decoder.
  ///
  /// Each symbol is NumPy's `randint(0, symbolCount)` with `seed`. The test set is drawn after the
  /// training set.
  /// - Returns: inputs [N, 2, length, symbolCount + 1], one-hot: [0] the sequence, symbol s at
  ///   index s; [1] the input of the decoder: the start token, at index symbolCount, then the
  ///   reversed sequence without its last symbol. Targets [N, length], classes: the reversed
  ///   sequence.
  /// - Precondition: `split` is train or test; its count, length and symbolCount are positive.
  package static func reverse(
    count: Int, testCount: Int = 0, length: Int, symbolCount: Int, seed: UInt32, split: Split
  ) -> ArraySource {
    require(split != .validation, "reverse has no validation set of its own")
    let ownCount = split == .train ? count : testCount
    require(
      ownCount >= 1 && count >= 0 && length >= 1 && symbolCount >= 1,
      "reverse: \(count) and \(testCount) sequences of \(length) among \(symbolCount) symbols")
    var random = NumPyRandom(seed: seed)
    if split == .test {
      for _ in 0..<count * length { _ = random.randint(high: symbolCount) }
    }
    let width = symbolCount + 1
    var inputs = [Float](repeating: 0, count: ownCount * 2 * length * width)
    var targets: [Int64] = []
    for sample in 0..<ownCount {
      let symbols = (0..<length).map { _ in random.randint(high: symbolCount) }
      let reversed = Array(symbols.reversed())
      for (part, tokens) in [symbols, [symbolCount] + reversed.dropLast()].enumerated() {
        let start = (sample * 2 + part) * length
        for (i, token) in tokens.enumerated() { inputs[(start + i) * width + token] = 1 }
      }
      targets += reversed.map { Int64($0) }
    }
    return ArraySource(
      name: "reverse \(split.rawValue)", inputs: inputs, inputShape: [2, length, width],
      targets: .classes(targets, count: symbolCount), targetShape: [length])
  }
}

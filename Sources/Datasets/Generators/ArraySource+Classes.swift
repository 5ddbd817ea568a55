import Glibc
import System

extension ArraySource {
  /// A disc inside a ring: `pairCount` times a point of the disc (radius U(0, 1)), target 0, and
  /// a point of the ring (radius 3 + U(0, 1)), target 1, each at an angle U(0, 2 pi).
  ///
  /// Random numbers are NumPy's with `seed`: the radius, then the angle, of each point.
  /// - Returns: inputs [2 pairCount, 2], targets [2 pairCount, 1], numbers.
  /// - Precondition: pairCount >= 1.
  package static func rings(pairCount: Int, seed: UInt32) -> ArraySource {
    require(pairCount >= 1, "rings: \(pairCount) pairs")
    var random = NumPyRandom(seed: seed)
    var inputs: [Float] = []
    for _ in 0..<pairCount {
      for ring in 0..<2 {
        let radius = Double(3 * ring) + random.uniform()
        let angle = random.uniform(low: 0, high: 2 * Double.pi)
        inputs += [Float(radius * cos(angle)), Float(radius * sin(angle))]
      }
    }
    return ArraySource(
      name: "rings", inputs: inputs, inputShape: [2],
      targets: .numbers((0..<2 * pairCount).map { Float($0 % 2) }), targetShape: [1])
  }

  /// scikit-learn's `make_blobs`. The test set is a second call with the same generator, so that it
  /// has other centers.
  /// - Parameters:
  ///   - count: samples of the training set.
  ///   - testCount: samples of the test set.
  ///   - centerBox: the bounds of the coordinates of the centers.
  ///   - deviation: standard deviation around a center.
  ///   - isBinary: whether the target is a number, [1]: 0 for center 0, 1 for all others. Otherwise
  ///     the target is a class, [], the index of the center.
  /// - Returns: inputs [N, featureCount], targets [N, 1] or [N].
  /// - Precondition: `split` is train or test, and its count, the features and the centers are
  ///   positive.
  package static func blobs(
    count: Int, testCount: Int = 0, featureCount: Int = 2, centerCount: Int = 3,
    centerBox: (low: Double, high: Double) = (-10, 10), deviation: Double = 1, isBinary: Bool,
    seed: UInt32, split: Split
  ) -> ArraySource {
    let name = "blobs \(split.rawValue)"
    require(split != .validation, "blobs have no validation set of their own")
    require(
      (split == .train ? count : testCount) >= 1 && featureCount >= 1 && centerCount >= 1,
      "\(name): \(count) and \(testCount) samples of \(featureCount) features round \(centerCount) "
        + "centers")
    var random = NumPyRandom(seed: seed)
    func make(_ count: Int) -> (samples: [Double], labels: [Int]) {
      random.makeBlobs(
        count: count, featureCount: featureCount, centerCount: centerCount, deviation: deviation,
        centerBox: centerBox)
    }
    var (samples, labels) = make(count)
    if split == .test { (samples, labels) = make(testCount) }
    return ArraySource(
      name: name, inputs: samples.map { Float($0) }, inputShape: [featureCount],
      targets: isBinary
        ? .numbers(labels.map { $0 == 0 ? 0 : 1 })
        : .classes(labels.map { Int64($0) }, count: centerCount),
      targetShape: isBinary ? [1] : [])
  }
}

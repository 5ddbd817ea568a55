import System

extension NumPyRandom {
  /// scikit-learn's `make_blobs(n_samples=count, n_features=featureCount, centers=centerCount,
  /// cluster_std=deviation, center_box=centerBox, shuffle=True)` with this generator, equal to the
  /// bit.
  /// - Returns: samples [count, featureCount], and the index of the center of each, 0 ..<
  ///   centerCount.
  /// - Precondition: no count is negative; centerCount >= 1.
  package mutating func makeBlobs(
    count: Int, featureCount: Int = 2, centerCount: Int = 3, deviation: Double = 1,
    centerBox: (low: Double, high: Double) = (-10, 10)
  ) -> (samples: [Double], labels: [Int]) {
    require(
      count >= 0 && featureCount >= 0 && centerCount >= 1,
      "make_blobs: \(count) samples of \(featureCount) features round \(centerCount) centers")
    let centers = (0..<centerCount * featureCount).map { _ in
      uniform(low: centerBox.low, high: centerBox.high)
    }
    var samples: [Double] = []
    var labels: [Int] = []
    samples.reserveCapacity(count * featureCount)
    for center in 0..<centerCount {
      // The first centers get the remainder.
      let share = count / centerCount + (center < count % centerCount ? 1 : 0)
      for _ in 0..<share {
        for feature in 0..<featureCount {
          samples.append(
            normal(mean: centers[center * featureCount + feature], deviation: deviation))
        }
        labels.append(center)
      }
    }
    let order = permutation(count)
    return (
      order.flatMap { samples[$0 * featureCount..<($0 + 1) * featureCount] },
      order.map { labels[$0] }
    )
  }
}

import Tensors

/// y = (x - mean) / deviation, by the statistics of the training split.
public struct Standardization: Sendable, Equatable, Codable {
  public enum Kind: String, Sendable, CaseIterable {
    case none
    /// Each element of a sample by its own mean and deviation.
    case feature
    /// All elements by one mean and one deviation.
    case all
    /// Each element minus its mean.
    case center
  }

  /// One for each element, or one for all.
  package var mean: [Float]
  package var deviation: [Float]

  package init(mean: [Float], deviation: [Float]) {
    self.mean = mean
    self.deviation = deviation
  }

  /// - values: rows of as many elements as `mean` has, or any where it has one.
  func apply(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let width = mean.count
    for i in 0..<count { values[i] = (values[i] - mean[i % width]) / deviation[i % width] }
  }

  /// x = y deviation + mean: what `apply` was given.
  package func undo(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let width = mean.count
    for i in 0..<count { values[i] = values[i] * deviation[i % width] + mean[i % width] }
  }

  /// What a part of the samples adds to the statistics: numbers, their means and the sums of squared
  /// differences from them, in float64. Parts are joined by Chan, Golub and LeVeque's formula ("Updating
  /// formulae and a pairwise algorithm for computing sample variances", 1979).
  package struct Part: Sendable, Equatable, Codable {
    package var count: Double
    package var mean: [Double]
    package var squares: [Double]

    package init(width: Int = 0) {
      count = 0
      mean = [Double](repeating: 0, count: width)
      squares = mean
    }

    /// Takes in rows of `mean.count` elements.
    package mutating func add(_ values: UnsafeBufferPointer<Float>) {
      let width = mean.count
      for start in stride(from: 0, to: values.count, by: width) {
        count += 1
        for i in 0..<width {
          let x = Double(values[start + i])
          let difference = x - mean[i]
          mean[i] += difference / count
          squares[i] += difference * (x - mean[i])
        }
      }
    }

    /// Takes in another part. The order of parts changes the last bits: join them in shard order.
    package mutating func add(_ other: Part) {
      guard other.count > 0 else { return }
      guard count > 0 else {
        self = other
        return
      }
      let total = count + other.count
      for i in mean.indices {
        let difference = other.mean[i] - mean[i]
        mean[i] += difference * other.count / total
        squares[i] += other.squares[i] + difference * difference * count * other.count / total
      }
      count = total
    }
  }

  /// From the statistics of all parts; the deviation is the population's, as scikit-learn's
  /// StandardScaler takes it, and 1 where nothing varies.
  package init(_ total: Part, kind: Kind) {
    mean = total.mean.map { Float($0) }
    deviation = total.squares.map { squares in
      let value = Float((squares / max(total.count, 1)).squareRoot())
      return kind == .center || value == 0 ? 1 : value
    }
  }
}

/// What one shard's samples add to the statistics of their split.
package struct SplitStatistics: Sendable, Equatable, Codable {
  package var input = Standardization.Part()
  /// Without a number where targets are classes.
  package var target = Standardization.Part()
}

/// How a run standardizes its data: found once, from the training split, and kept in its checkpoints.
package struct DataStandardization: Sendable, Equatable, Codable {
  package var input: Standardization
  package var target: Standardization?
}

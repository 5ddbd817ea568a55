import Tensors

/// y = (x - mean) / deviation, with the statistics of the training split.
public struct Standardization: Sendable, Equatable, Codable {
  public enum Kind: String, Sendable, CaseIterable {
    case none
    /// Each element of a sample has its own mean and deviation.
    case feature
    /// All elements have the same mean and deviation.
    case all
    /// The mean of each element is subtracted; the deviation is 1.
    case center
  }

  /// One value for each element, or one for all elements, as in `deviation`.
  package var mean: [Float]
  package var deviation: [Float]

  package init(mean: [Float], deviation: [Float]) {
    self.mean = mean
    self.deviation = deviation
  }

  /// Standardizes values in place.
  /// - Parameter values: rows of `mean.count` elements; any number of elements if `mean` has one.
  func apply(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let width = mean.count
    for i in 0..<count { values[i] = (values[i] - mean[i % width]) / deviation[i % width] }
  }

  /// Reverses `apply` in place: x = y deviation + mean.
  package func undo(_ values: UnsafeMutablePointer<Float>, count: Int) {
    let width = mean.count
    for i in 0..<count { values[i] = values[i] * deviation[i % width] + mean[i % width] }
  }

  /// The statistics of a part of the samples, in float64: the count, the means and the sums of
  /// squared differences from the means. Parts are combined by Chan, Golub and LeVeque's formula
  /// ("Updating formulae and a pairwise algorithm for computing sample variances", 1979).
  package struct Part: Sendable, Equatable, Codable {
    package var count: Double
    package var mean: [Double]
    package var squares: [Double]

    package init(width: Int = 0) {
      count = 0
      mean = [Double](repeating: 0, count: width)
      squares = mean
    }

    /// Adds rows of `mean.count` elements.
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

    /// Adds another part. The order of the parts changes the last bits, so add them in shard order.
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

  /// Creates it from the statistics of all parts. As in scikit-learn's StandardScaler, the
  /// deviation is that of the population, and 1 for elements that are constant.
  package init(_ total: Part, kind: Kind) {
    mean = total.mean.map { Float($0) }
    deviation = total.squares.map { squares in
      let value = Float((squares / max(total.count, 1)).squareRoot())
      return kind == .center || value == 0 ? 1 : value
    }
  }
}

/// The statistics of one shard's samples.
package struct SplitStatistics: Sendable, Equatable, Codable {
  package var input = Standardization.Part()
  /// Empty if the targets are classes.
  package var target = Standardization.Part()
}

/// The standardization of a run's data. It is computed once, from the training split, and kept in
/// the run's checkpoints.
package struct DataStandardization: Sendable, Equatable, Codable {
  package var input: Standardization
  package var target: Standardization?
}

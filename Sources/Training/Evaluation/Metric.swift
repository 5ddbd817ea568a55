import Tensors

/// A user-defined metric: counts that are added over samples, shards and ranks, and a value that is
/// computed from the sums.
///
///     struct MeanAbsoluteError: Metric {
///       let name = "mae"
///       func counts(_ outputs: NamedTensors, _ targets: NamedTensors) -> [Double] {
///         let (y, t) = (outputs.only.values(Float.self), targets.only.values(Float.self))
///         let errors = zip(y, t).map { abs($0 - $1) }
///         return [Double(errors.reduce(0, +)), Double(errors.count)]
///       }
///       func value(_ counts: [Double]) -> Double { counts[0] / counts[1] }
///     }
public protocol Metric: Sendable {
  /// Its key in metrics.jsonl.
  var name: String { get }

  /// Returns the counts of some samples. Every call returns the same number of counts.
  func counts(_ outputs: NamedTensors, _ targets: NamedTensors) -> [Double]

  /// Returns the metric's value from the sums of the counts over all samples.
  func value(_ counts: [Double]) -> Double
}

/// The sums of several metrics' counts.
struct MetricCounts: Codable {
  /// The sums of each metric; empty before the first samples.
  private(set) var sums: [[Double]] = []

  mutating func add(_ counts: [[Double]]) {
    if sums.isEmpty {
      sums = counts
    } else {
      for (metric, counts) in counts.enumerated() {
        for (index, count) in counts.enumerated() { sums[metric][index] += count }
      }
    }
  }

  /// Returns each metric's name and value; empty if there were no samples.
  func values(_ metrics: [any Metric]) -> [(name: String, value: Double)] {
    zip(metrics, sums).map { ($0.name, $0.value($1)) }
  }
}

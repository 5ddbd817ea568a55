import Tensors

/// A figure of one's own: counts that are added over samples, shards and ranks, and a value of the sums.
///
///     struct MeanAbsoluteError: Metric {
///       let name = "mae"
///       func counts(_ outputs: NamedTensors, _ targets: NamedTensors) -> [Double] {
///         let errors = zip(outputs.only.values(Float.self), targets.only.values(Float.self)).map { abs($0 - $1) }
///         return [Double(errors.reduce(0, +)), Double(errors.count)]
///       }
///       func value(_ counts: [Double]) -> Double { counts[0] / counts[1] }
///     }
public protocol Metric: Sendable {
  /// Its key in metrics.jsonl.
  var name: String { get }

  /// What some samples add; the same number of counts at each call.
  func counts(_ outputs: NamedTensors, _ targets: NamedTensors) -> [Double]

  /// The figure, from the sums of all samples' counts.
  func value(_ counts: [Double]) -> Double
}

/// The sums of several metrics' counts.
struct MetricCounts: Codable {
  /// By metric; empty before the first samples.
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

  /// The metrics' values by name; nothing without samples.
  func values(_ metrics: [any Metric]) -> [(name: String, value: Double)] {
    zip(metrics, sums).map { ($0.name, $0.value($1)) }
  }
}

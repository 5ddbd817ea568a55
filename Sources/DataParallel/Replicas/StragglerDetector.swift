import Communication
import System

/// Finds stragglers: ranks that compute much longer for a sample than the others.
///
/// It uses the median time of each part of a step over several steps, so that a step in which the
/// system gave the core to another process does not count. A rank is reported if it was slow in two
/// comparisons in a row.
package struct StragglerDetector {
  /// A rank is slow if its score, the median of all ranks' times over its own time, is below this.
  static let slowScore = 0.5
  /// Seconds of a step. A rank that is slower than the median by less than this is not slow: that
  /// is noise, and delays no other rank.
  static let minimumLag = 0.0005

  /// The parts of a step in which a rank does not wait for others.
  static let sections = ["data", "forward", "backward"]

  /// Seconds by section and step, since the last comparison.
  private var times = [[Double]](repeating: [], count: StragglerDetector.sections.count)
  private var samples = 0
  private var wasSlow: Set<Int> = []
  private var named: Set<Int> = []

  mutating func add(_ step: StepTimes, samples count: Int) {
    times[0].append(step.batch)
    times[1].append(step.forward)
    times[2].append(step.backward)
    samples += count
  }

  /// One rank's times since the last comparison.
  package struct Report: Codable {
    package var host: String
    /// By section, the median of the seconds in a step.
    package var seconds: [Double]
    /// The mean number of samples in a step.
    package var samples: Double

    package init(host: String, seconds: [Double], samples: Double) {
      self.host = host
      self.seconds = seconds
      self.samples = samples
    }

    var total: Double { seconds.reduce(0, +) }
  }

  /// Compares the ranks' times.
  ///
  /// Collective: every rank.
  /// - Returns: a warning for each rank that has become slow; the same on every rank.
  mutating func compare(_ communicator: Communicator) throws -> [String] {
    defer {
      times = times.map { _ in [] }
      samples = 0
    }
    guard communicator.worldSize > 1, let count = times.first?.count, count > 0 else { return [] }
    let report = Report(
      host: communicator.hostName, seconds: times.map(StragglerDetector.median),
      samples: Double(samples) / Double(count))
    let reports = try communicator.allgather(report)
    let slow = StragglerDetector.slowRanks(reports)
    defer { wasSlow = Set(slow.map(\.rank)) }
    return slow.filter { wasSlow.contains($0.rank) && named.insert($0.rank).inserted }.map {
      let times = 1 / $0.score
      return
        "rank \($0.rank) (host \(reports[$0.rank].host)) is slow in \($0.section): it computes "
        + "\(fixed(times, 1)) times as long for a sample as the median of the ranks, "
        + "score \(fixed($0.score, 2)); all wait for it"
    }
  }

  /// The slow ranks, each with the section in which it loses most time and its score.
  package static func slowRanks(
    _ reports: [Report]
  ) -> [(rank: Int, section: String, score: Double)] {
    // Ranks have different numbers of samples.
    let busy = reports.indices.filter { reports[$0].samples > 0 }
    func costs(_ time: @escaping (Report) -> Double) -> (median: Double, of: (Int) -> Double) {
      let of = { (rank: Int) in time(reports[rank]) / reports[rank].samples }
      return (StragglerDetector.median(busy.map(of)), of)
    }
    let total = costs(\.total)
    return busy.compactMap { rank in
      let own = total.of(rank)
      let lag = (own - total.median) * reports[rank].samples
      guard own > 0, total.median / own < slowScore, lag > minimumLag else { return nil }
      let lags = sections.indices.map { section in
        let costs = costs { $0.seconds[section] }
        return costs.of(rank) - costs.median
      }
      let worst = lags.indices.max { lags[$0] < lags[$1] }!
      return (rank, sections[worst], total.median / own)
    }
  }

  /// The median; the lower of the two middle values, so that of two ranks the faster is the
  /// reference.
  private static func median(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.sorted()[(values.count - 1) / 2]
  }
}

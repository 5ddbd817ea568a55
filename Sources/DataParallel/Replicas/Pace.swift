import Communication
import System

/// How long this rank computes for a sample, and whether that is much longer than on the others.
///
/// Of each part of a step the median over some steps counts, so that a step in which the system gave
/// the core to somebody else does not; and a rank is slow when it was in two comparisons in a row.
package struct Pace {
  /// Below this a rank is slow: the median of all ranks' times over its own.
  static let slowScore = 0.5
  /// Seconds a step by which a rank must be behind: less is noise, and holds up nobody.
  static let leastLag = 0.0005

  /// The parts in which a rank waits for nobody.
  static let sections = ["data", "forward", "backward"]

  /// Seconds by section and step, since the last comparison.
  private var times = [[Double]](repeating: [], count: Pace.sections.count)
  private var samples = 0
  private var wasSlow: Set<Int> = []
  private var named: Set<Int> = []

  mutating func add(_ step: StepTimes, samples count: Int) {
    times[0].append(step.batch)
    times[1].append(step.forward)
    times[2].append(step.backward)
    samples += count
  }

  /// What one rank did since the last comparison.
  package struct Report: Codable {
    package var host: String
    /// Seconds of a step by section, the medians.
    package var seconds: [Double]
    /// Of a step, the mean.
    package var samples: Double

    package init(host: String, seconds: [Double], samples: Double) {
      self.host = host
      self.seconds = seconds
      self.samples = samples
    }

    var total: Double { seconds.reduce(0, +) }
  }

  /// Compares with the other ranks; what is said of each rank that has become slow.
  ///
  /// Collective: every rank. The same on all.
  mutating func compare(_ communicator: Communicator) throws -> [String] {
    defer {
      times = times.map { _ in [] }
      samples = 0
    }
    guard communicator.worldSize > 1, let count = times.first?.count, count > 0 else { return [] }
    let report = Report(
      host: communicator.hostName, seconds: times.map(Pace.median),
      samples: Double(samples) / Double(count))
    let reports = try communicator.allgather(report)
    let slow = Pace.slowRanks(reports)
    defer { wasSlow = Set(slow.map(\.rank)) }
    return slow.filter { wasSlow.contains($0.rank) && named.insert($0.rank).inserted }.map {
      let times = 1 / $0.score
      return
        "rank \($0.rank) (host \(reports[$0.rank].host)) is slow in \($0.section): it computes "
        + "\(fixed(times, 1)) times as long for a sample as the median of the ranks, "
        + "score \(fixed($0.score, 2)); all wait for it"
    }
  }

  /// The slow ones, and where each loses most.
  package static func slowRanks(
    _ reports: [Report]
  ) -> [(rank: Int, section: String, score: Double)] {
    // Ranks have different numbers of samples.
    let busy = reports.indices.filter { reports[$0].samples > 0 }
    func costs(_ time: @escaping (Report) -> Double) -> (median: Double, of: (Int) -> Double) {
      let of = { (rank: Int) in time(reports[rank]) / reports[rank].samples }
      return (Pace.median(busy.map(of)), of)
    }
    let total = costs(\.total)
    return busy.compactMap { rank in
      let own = total.of(rank)
      let lag = (own - total.median) * reports[rank].samples
      guard own > 0, total.median / own < slowScore, lag > leastLag else { return nil }
      let lags = sections.indices.map { section in
        let costs = costs { $0.seconds[section] }
        return costs.of(rank) - costs.median
      }
      let worst = lags.indices.max { lags[$0] < lags[$1] }!
      return (rank, sections[worst], total.median / own)
    }
  }

  /// The lower one of two: of two ranks the faster sets the measure.
  private static func median(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.sorted()[(values.count - 1) / 2]
  }
}

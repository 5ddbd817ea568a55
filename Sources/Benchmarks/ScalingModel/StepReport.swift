import Foundation
import System
import Training

/// The results of `bench model`: the fit, and predicted steps of 2 to 4,096 ranks on links of
/// several rates.
package struct StepReport: Encodable {
  package struct Fit: Encodable {
    let latencyMicroseconds: Double
    let nanosecondsPerByte: Double
    let addNanosecondsPerByte: Double
    /// The fraction of the link's rate that the fitted time of a byte reaches.
    let linkPart: Double
    let medianRelativeError: Double
    let largestRelativeError: Double
  }

  package struct Row: Encodable {
    package let ranks: Int
    package let hosts: Int
    package let gigabitsPerSecond: Double
    /// Strong scaling: all ranks share the batch; nil if it has fewer samples than there are ranks.
    package let strongMilliseconds: Double?
    package let strongEfficiency: Double?
    package let strongHidden: Double?
    /// Weak scaling: every rank has the batch.
    package let weakMilliseconds: Double
    package let weakEfficiency: Double
  }

  package struct Check: Encodable {
    package let measuredMilliseconds: Double
    package let predictedMilliseconds: Double
    /// Predicted / measured - 1.
    package let relativeError: Double
  }

  package let name: String
  let host: String
  let batch: Int
  let ranksPerHost: Int
  let bucketBytes: Double
  let aloneMilliseconds: Double
  let fit: Fit
  /// A comparison with a measured step of two hosts with one rank each, on the measured link.
  package let check: Check?
  package let rows: [Row]

  /// Link rates in Gbit/s.
  package static let rates = [1.0, 10, 100]
  package static let largestRanks = 4096

  /// - Parameters:
  ///   - linkGigabits: the measured link's rate in Gbit/s.
  ///   - measuredMilliseconds: the measured time of a step of `batch` on two hosts with one rank
  ///     each; nil: not measured.
  package init(
    _ model: StepModel, of step: StepMeasurement, batch: Int, bucketBytes: Double,
    linkGigabits: Double, measuredMilliseconds: Double?
  ) {
    name = step.name
    host = step.host
    self.batch = batch
    self.bucketBytes = bucketBytes
    ranksPerHost = model.ranksPerHost
    let samples = Double(batch)
    let alone = model.secondsAlone(samples: samples)
    aloneMilliseconds = alone * 1e3
    let errors = model.link.relativeErrors.map(abs).sorted()
    fit = Fit(
      latencyMicroseconds: model.link.latency * 1e6,
      nanosecondsPerByte: model.link.secondsPerByte * 1e9,
      addNanosecondsPerByte: model.link.addSecondsPerByte * 1e9,
      linkPart: 8 / (linkGigabits * 1e9 * model.link.secondsPerByte),
      medianRelativeError: errors[errors.count / 2], largestRelativeError: errors.last!)
    check = measuredMilliseconds.map { measured in
      let predicted = model.step(hosts: 2, ranksPerHost: 1, samples: samples / 2, rate: 1)
      return Check(
        measuredMilliseconds: measured, predictedMilliseconds: predicted.seconds * 1e3,
        relativeError: predicted.seconds * 1e3 / measured - 1)
    }
    let perHost = model.ranksPerHost
    let counts = sequence(first: max(perHost, 2)) { $0 * 2 }.prefix {
      $0 <= StepReport.largestRanks
    }
    rows = counts.flatMap { ranks in
      StepReport.rates.map { gigabits in
        func predict(_ samples: Double) -> StepPrediction {
          model.step(
            hosts: ranks / perHost, ranksPerHost: perHost, samples: samples,
            rate: gigabits / linkGigabits)
        }
        let strong = ranks <= batch ? predict(samples / Double(ranks)) : nil
        let weak = predict(samples)
        return Row(
          ranks: ranks, hosts: ranks / perHost, gigabitsPerSecond: gigabits,
          strongMilliseconds: strong.map { $0.seconds * 1e3 },
          strongEfficiency: strong.map { alone / (Double(ranks) * $0.seconds) },
          strongHidden: strong?.hiddenPart, weakMilliseconds: weak.seconds * 1e3,
          weakEfficiency: alone / weak.seconds)
      }
    }
  }

  var table: String {
    var header = ["ranks", "hosts"]
    for rate in StepReport.rates {
      header += ["\(fixed(rate, 0))G: ms", "E %", "hidden %", "weak ms", "E %"]
    }
    var columns = Columns(header, isText: [])
    for start in stride(from: 0, to: rows.count, by: StepReport.rates.count) {
      let group = rows[start..<start + StepReport.rates.count]
      var cells = ["\(group.first!.ranks)", "\(group.first!.hosts)"]
      for row in group {
        cells += [
          row.strongMilliseconds.map { fixed($0, 2) } ?? "-",
          row.strongEfficiency.map { fixed($0 * 100, 1) } ?? "-",
          row.strongHidden.map { fixed($0 * 100, 0) } ?? "-", fixed(row.weakMilliseconds, 2),
          fixed(row.weakEfficiency * 100, 1),
        ]
      }
      columns.add(cells)
    }
    var lines = [
      "\(name), batch \(batch), on \(host): \(fixed(aloneMilliseconds, 2)) ms a step on one rank; "
        + "\(ranksPerHost) \(ranksPerHost == 1 ? "rank" : "ranks") on a host, buckets of "
        + "\(fixed(bucketBytes / 1024, 0)) KB",
      "link: \(fixed(fit.latencyMicroseconds, 1)) us a message, "
        + "\(fixed(fit.nanosecondsPerByte, 3)) ns a byte (\(fixed(fit.linkPart * 100, 1)) % of its rate), "
        + "\(fixed(fit.addNanosecondsPerByte, 3)) ns a byte added; "
        + "off by \(fixed(fit.medianRelativeError * 100, 1)) % (median), "
        + "\(fixed(fit.largestRelativeError * 100, 1)) % (largest)",
    ]
    if let check {
      lines.append(
        "two hosts: \(fixed(check.predictedMilliseconds, 2)) ms predicted, "
          + "\(fixed(check.measuredMilliseconds, 2)) ms measured: "
          + "\(check.relativeError < 0 ? "" : "+")\(fixed(check.relativeError * 100, 1)) %")
    }
    lines.append(
      "ms, E and hidden: the batch shared by all ranks (strong scaling); "
        + "weak: the batch on every rank")
    return (lines + [columns.text]).joined(separator: "\n")
  }
}

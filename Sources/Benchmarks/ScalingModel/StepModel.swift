import Foundation

/// Fits a x + b y = t with x, y >= 0, by least squares of the errors relative to t, so that small
/// and large times have the same weight.
package func relativeLeastSquares(
  _ rows: [(a: Double, b: Double, t: Double)]
) -> (x: Double, y: Double) {
  var (aa, ab, bb, at, bt) = (0.0, 0.0, 0.0, 0.0, 0.0)
  for row in rows {
    let (a, b) = (row.a / row.t, row.b / row.t)
    (aa, ab, bb, at, bt) = (aa + a * a, ab + a * b, bb + b * b, at + a, bt + b)
  }
  let determinant = aa * bb - ab * ab
  // Below this, all rows are multiples of one row, and b alone explains them.
  if determinant > 1e-12 * aa * bb {
    let x = (at * bb - bt * ab) / determinant
    let y = (bt * aa - at * ab) / determinant
    if x >= 0 && y >= 0 { return (x, y) }
    if y < 0 { return (at / aa, 0) }
  }
  return (0, bt / bb)
}

/// The time of a sum of n bytes between H hosts by recursive halving and doubling (Thakur,
/// Rabenseifner, Gropp 2005):
///
///     T = 2 log2(H) alpha + 2 (H - 1) / H n beta + (H - 1) / H n gamma
package struct LinkFit: Sendable {
  /// alpha: seconds per message.
  package let latency: Double
  /// beta: seconds per byte sent.
  package let secondsPerByte: Double
  /// gamma: seconds per byte added.
  package let addSecondsPerByte: Double
  /// For each row that was used: predicted / measured - 1.
  package let relativeErrors: [Double]

  /// Fits alpha and beta by least squares. In the formula, gamma always appears together with beta,
  /// so no fit can separate them. gamma comes from the copy bandwidth B of one rank at the size of
  /// a bucket: an addition reads two bytes and writes one for each byte of the sum, so gamma = 3 /
  /// B.
  /// - Parameter burstBytes: bytes that the link passes at any rate after a pause. Of the rows that
  ///   send less than four times as many bytes, only the smallest is used, and only for the
  ///   latency: the length of the pause before them, and so their rate, is not known.
  package init(_ measurement: ReduceMeasurement, bucketBytes: Double, burstBytes: Double) {
    let nearest = measurement.rows.min {
      abs(log($0.bytes / bucketBytes)) < abs(log($1.bytes / bucketBytes))
    }!
    let gamma = 3 * Double(measurement.ranks) / nearest.copyBytesPerSecond
    let hosts = Double(measurement.hosts)
    let part = (hosts - 1) / hosts
    let messages = 2 * log2(hosts)
    let used = measurement.rows.enumerated().compactMap {
      index, row -> (sent: Double, added: Double, seconds: Double)? in
      let sent = 2 * part * row.bytes
      let isSteady = sent >= 4 * burstBytes
      guard isSteady || index == 0 else { return nil }
      return (isSteady ? sent : 0, part * row.bytes, row.reduceMicroseconds / 1e6)
    }
    let (alpha, beta) = relativeLeastSquares(
      used.map { row in
        // The time of the link; additions never take all of a row's time.
        (a: messages, b: row.sent, t: max(row.seconds - row.added * gamma, row.seconds / 100))
      })
    latency = alpha
    secondsPerByte = beta
    addSecondsPerByte = gamma
    relativeErrors = used.map {
      (messages * alpha + $0.sent * beta + $0.added * gamma) / $0.seconds - 1
    }
  }

  /// The time of a single sum.
  /// - Parameter rate: the link's rate over the measured link's.
  package func seconds(bytes: Double, hosts: Int, rate: Double) -> Double {
    latencySeconds(hosts: hosts) + flowSeconds(bytes: bytes, hosts: hosts, rate: rate)
  }

  /// The latency of all messages, 2 log2(H) alpha.
  func latencySeconds(hosts: Int) -> Double { 2 * log2(Double(hosts)) * latency }

  /// The time of the bytes without the latency.
  func flowSeconds(bytes: Double, hosts: Int, rate: Double) -> Double {
    let part = Double(hosts - 1) / Double(hosts)
    return part * bytes * (2 * secondsPerByte / rate + addSecondsPerByte)
  }
}

/// The prediction for one step.
package struct StepPrediction: Sendable, Equatable {
  package let seconds: Double
  /// The whole time of the reduction, hidden or not.
  package let reductionSeconds: Double
  /// The fraction of min(backward, reduction) in which both run; 1 without a reduction.
  package let hiddenPart: Double
}

/// Predicts the time of a training step on any number of hosts. The equations are in
/// Sources/NNDist/NNDist.docc/StepModel.md.
package struct StepModel: Sendable {
  /// The time of one rank's part in seconds, linear in its number of samples: a fixed time plus a
  /// time for each sample.
  private struct Line {
    let fixed: Double
    let each: Double

    init(_ rows: [(samples: Double, microseconds: Double)]) {
      (fixed, each) = relativeLeastSquares(
        rows.map { (a: 1, b: $0.samples, t: $0.microseconds / 1e6) })
    }

    func seconds(_ samples: Double) -> Double { fixed + each * samples }
  }

  package let link: LinkFit
  private let inside: ReduceMeasurement?
  private let forward: Line
  private let backward: Line
  private let optimizer: Double
  /// In the order in which they become ready.
  package let buckets: [(bytes: Double, ready: Double)]

  /// - Parameters:
  ///   - between: a measurement with one rank on each host.
  ///   - inside: a measurement on one host; nil: each host has one rank.
  ///   - burstBytes: as for `LinkFit`.
  package init(
    between: ReduceMeasurement, inside: ReduceMeasurement?, step: StepMeasurement,
    bucketBytes: Double, burstBytes: Double = 0
  ) {
    link = LinkFit(between, bucketBytes: bucketBytes, burstBytes: burstBytes)
    self.inside = inside
    forward = Line(step.rows.map { ($0.samples, $0.forwardMicroseconds) })
    backward = Line(step.rows.map { ($0.samples, $0.backwardMicroseconds) })
    optimizer =
      step.rows.map(\.optimizerMicroseconds).reduce(0, +) / Double(step.rows.count) / 1e6
    buckets = StepModel.buckets(step.gradients, bucketBytes: bucketBytes)
  }

  /// The number of ranks in the measurement inside a host; 1 without such a measurement.
  package var ranksPerHost: Int { inside?.ranks ?? 1 }

  /// The arena's buckets, from its end to its beginning, divided at multiples of `bucketBytes`. The
  /// elements of a gradient become final one after another, from its end to its beginning, at a
  /// constant rate, after the gradient that follows it in the arena is final. A bucket is ready
  /// when its first element is final, and not before the previous bucket.
  private static func buckets(
    _ gradients: [StepMeasurement.Gradient], bucketBytes: Double
  ) -> [(bytes: Double, ready: Double)] {
    let total = gradients.map(\.bytes).reduce(0, +)
    var buckets: [(bytes: Double, ready: Double)] = []
    for start in stride(from: 0, to: total, by: bucketBytes).reversed() {
      let end = min(start + bucketBytes, total)
      var (ready, offset) = (buckets.last?.ready ?? 0, 0.0)
      for (index, gradient) in gradients.enumerated() {
        let gradientEnd = offset + gradient.bytes
        if offset < end && gradientEnd > start {
          let before = index + 1 < gradients.count ? gradients[index + 1].ready : 0
          let part = (gradientEnd - max(start, offset)) / gradient.bytes
          ready = max(ready, before + (gradient.ready - before) * part)
        }
        offset = gradientEnd
      }
      buckets.append((end - start, ready))
    }
    return buckets
  }

  /// The time of a step of one rank alone.
  package func secondsAlone(samples: Double) -> Double {
    forward.seconds(samples) + backward.seconds(samples) + optimizer
  }

  /// - Parameters:
  ///   - samples: the number of samples in each rank's part of the batch.
  ///   - rate: the link's rate over the measured link's.
  package func step(hosts: Int, ranksPerHost: Int, samples: Double, rate: Double) -> StepPrediction
  {
    let backward = backward.seconds(samples)
    // Buckets are sent one after another, each when it is ready and the bytes of the previous one
    // are sent. While a message of one bucket is in flight, other buckets send bytes, so the
    // latency counts only once.
    var (end, reduction) = (0.0, 0.0)
    for (bytes, ready) in buckets {
      let seconds =
        (ranksPerHost > 1 ? insideSeconds(bytes) : 0)
        + link.flowSeconds(bytes: bytes, hosts: hosts, rate: rate)
      end = max(end, ready * backward) + seconds
      reduction += seconds
    }
    let latency = link.latencySeconds(hosts: hosts)
    (end, reduction) = (end + latency, reduction + latency)
    let both = max(backward, end)
    let hideable = min(backward, reduction)
    return StepPrediction(
      seconds: forward.seconds(samples) + both + optimizer, reductionSeconds: reduction,
      hiddenPart: hideable > 0 ? (backward + reduction - both) / hideable : 1)
  }

  /// The time of a sum inside a host, interpolated between the measured rows linearly in the
  /// logarithms of bytes and time. Below the rows, it is the smallest row's time; above them, the
  /// largest row's bytes per second are used.
  private func insideSeconds(_ bytes: Double) -> Double {
    guard let rows = inside?.rows else { return 0 }
    let seconds = { (row: ReduceMeasurement.Row) in row.reduceMicroseconds / 1e6 }
    guard let above = rows.firstIndex(where: { $0.bytes >= bytes }) else {
      return seconds(rows.last!) * bytes / rows.last!.bytes
    }
    if above == 0 { return seconds(rows[0]) }
    let (low, high) = (rows[above - 1], rows[above])
    let part = log(bytes / low.bytes) / log(high.bytes / low.bytes)
    return seconds(low) * pow(seconds(high) / seconds(low), part)
  }
}

import Foundation

/// The x, y >= 0 for which a x + b y comes nearest to t: least squares of the errors relative to t, so
/// that small and large times count alike.
package func relativeLeastSquares(
  _ rows: [(a: Double, b: Double, t: Double)]
) -> (x: Double, y: Double) {
  var (aa, ab, bb, at, bt) = (0.0, 0.0, 0.0, 0.0, 0.0)
  for row in rows {
    let (a, b) = (row.a / row.t, row.b / row.t)
    (aa, ab, bb, at, bt) = (aa + a * a, ab + a * b, bb + b * b, at + a, bt + b)
  }
  let determinant = aa * bb - ab * ab
  // Below it the rows are but multiples of one: b alone explains them.
  if determinant > 1e-12 * aa * bb {
    let x = (at * bb - bt * ab) / determinant
    let y = (bt * aa - at * ab) / determinant
    if x >= 0 && y >= 0 { return (x, y) }
    if y < 0 { return (at / aa, 0) }
  }
  return (0, bt / bb)
}

/// The time of a sum between H hosts by recursive halving and doubling (Thakur, Rabenseifner, Gropp
/// 2005), n bytes:
///
///     T = 2 log2(H) alpha + 2 (H - 1) / H n beta + (H - 1) / H n gamma
package struct LinkFit: Sendable {
  /// alpha: seconds a message.
  package let latency: Double
  /// beta.
  package let secondsPerByte: Double
  /// gamma: seconds a byte added.
  package let addSecondsPerByte: Double
  /// By row that counted: what the formula says over what was measured, less 1.
  package let relativeErrors: [Double]

  /// alpha and beta by least squares. In the formula gamma always goes with beta, so that no fit can
  /// tell them apart: gamma comes from the copy bandwidth B of one rank at the size of a bucket, as an
  /// addition reads two bytes and writes one for each byte of the sum: 3 / B.
  /// - Parameter burstBytes: what the link lets pass at any rate after a pause. Of the rows that send
  ///   less than four times as much only the smallest counts, and as latency alone: how long a pause
  ///   came before, and so their rate, is not known.
  package init(_ measurement: ReduceMeasurement, bucketBytes: Double, burstBytes: Double) {
    let nearest = measurement.rows.min {
      abs(log($0.bytes / bucketBytes)) < abs(log($1.bytes / bucketBytes))
    }!
    let gamma = 3 * Double(measurement.ranks) / nearest.copyBytesPerSecond
    let hosts = Double(measurement.hosts)
    let part = (hosts - 1) / hosts
    let messages = 2 * log2(hosts)
    let counting = measurement.rows.enumerated().compactMap {
      index, row -> (sent: Double, added: Double, seconds: Double)? in
      let sent = 2 * part * row.bytes
      let isSteady = sent >= 4 * burstBytes
      guard isSteady || index == 0 else { return nil }
      return (isSteady ? sent : 0, part * row.bytes, row.reduceMicroseconds / 1e6)
    }
    let (alpha, beta) = relativeLeastSquares(
      counting.map { row in
        // What is left for the link; an addition never takes all of it.
        (a: messages, b: row.sent, t: max(row.seconds - row.added * gamma, row.seconds / 100))
      })
    latency = alpha
    secondsPerByte = beta
    addSecondsPerByte = gamma
    relativeErrors = counting.map {
      (messages * alpha + $0.sent * beta + $0.added * gamma) / $0.seconds - 1
    }
  }

  /// Of a sum by itself.
  /// - Parameter rate: the link's over the measured one's.
  package func seconds(bytes: Double, hosts: Int, rate: Double) -> Double {
    latencySeconds(hosts: hosts) + flowSeconds(bytes: bytes, hosts: hosts, rate: rate)
  }

  /// The messages' latency, 2 log2(H) alpha.
  func latencySeconds(hosts: Int) -> Double { 2 * log2(Double(hosts)) * latency }

  /// What the bytes take once they flow.
  func flowSeconds(bytes: Double, hosts: Int, rate: Double) -> Double {
    let part = Double(hosts - 1) / Double(hosts)
    return part * bytes * (2 * secondsPerByte / rate + addSecondsPerByte)
  }
}

/// What is predicted of one step.
package struct StepPrediction: Sendable, Equatable {
  package let seconds: Double
  /// All that the reduction takes, hidden or not.
  package let reductionSeconds: Double
  /// The part of min(backward, reduction) in which both go on; 1 where there is no reduction.
  package let hiddenPart: Double
}

/// The time of a training step on any number of hosts: DataParallel.docc/StepModel.md has the
/// equations.
package struct StepModel: Sendable {
  /// Seconds of one rank's part, a straight line in its samples: a fixed time, and one each.
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
  /// In the order of their arrival.
  package let buckets: [(bytes: Double, ready: Double)]

  /// - Parameters:
  ///   - between: one rank on each host.
  ///   - inside: one host; nil: there is one rank on each.
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

  /// 1, or as many as the measurement inside a host has.
  package var ranksPerHost: Int { inside?.ranks ?? 1 }

  /// The arena from its end to its beginning, cut at multiples of `bucketBytes`. A gradient becomes
  /// final from its end on, in proportion, from when the one behind it was; a bucket is ready with its
  /// first element, and after the bucket before it.
  private static func buckets(
    _ gradients: [StepMeasurement.Gradient], bucketBytes: Double
  ) -> [(bytes: Double, ready: Double)] {
    let total = gradients.map(\.bytes).reduce(0, +)
    var buckets: [(bytes: Double, ready: Double)] = []
    for start in stride(from: 0, to: total, by: bucketBytes).reversed() {
      let end = min(start + bucketBytes, total)
      var (ready, offset) = (buckets.last?.ready ?? 0, 0.0)
      for (index, gradient) in gradients.enumerated() {
        let behind = offset + gradient.bytes
        if offset < end && behind > start {
          let before = index + 1 < gradients.count ? gradients[index + 1].ready : 0
          let part = (behind - max(start, offset)) / gradient.bytes
          ready = max(ready, before + (gradient.ready - before) * part)
        }
        offset = behind
      }
      buckets.append((end - start, ready))
    }
    return buckets
  }

  /// A step of one rank alone.
  package func secondsAlone(samples: Double) -> Double {
    forward.seconds(samples) + backward.seconds(samples) + optimizer
  }

  /// - Parameters:
  ///   - samples: of each rank's part of the batch.
  ///   - rate: the link's over the measured one's.
  package func step(hosts: Int, ranksPerHost: Int, samples: Double, rate: Double) -> StepPrediction
  {
    let backward = backward.seconds(samples)
    // One after another, each when it is ready and the one before has flowed; while messages of one
    // are on their way, others flow, so that latency shows but once.
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

  /// The measurement inside a host, between its rows by powers: straight on doubly logarithmic paper.
  /// Below them the smallest row's time, above them the largest row's bytes a second.
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

import ArgumentParser
import Communication
import System

/// `nndist bench model`.
struct BenchModelCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Predict the time of a step on 2 to 4,096 ranks from measurements of this machine.",
    discussion: """
      launch/two-hosts -- nndist bench reduce --json > between.json
      mpirun -n 2 nndist bench reduce --json > inside.json
      nndist bench step --samples 512 --samples 1024 --json > step.json
      nndist bench model --between between.json --inside inside.json --step step.json

      launch/step-model does all of it. The equations, and what they leave out, are in
      Sources/DataParallel/DataParallel.docc/StepModel.md.
      """)

  @Option(help: "What bench reduce measured between hosts, one rank on each: a JSON file.")
  var between: String

  @Option(help: "The same of the ranks of one host. (default: one rank on each host)")
  var inside: String?

  @Option(help: "What bench step measured: a JSON file.")
  var step: String

  @Option(help: "The rate of the link that was measured, in Gbit/s.")
  var linkGigabits = 1.0

  @Option(
    help:
      "Bytes that the link lets pass at any rate after a pause, as a token bucket does: smaller sums do not count."
  )
  var burstBytes = 0

  @Option(help: "Samples in the batch.")
  var batch = 1024

  @Option(help: "Bytes that are summed together.")
  var bucketBytes = 122_880

  @Option(
    help:
      "What a step of that batch took on two hosts with a rank each, in ms, to be compared. (default: not compared)"
  )
  var measuredMilliseconds: Double?

  @Option(
    help: "Draw the efficiencies with gnuplot, into a .svg or .png file. (default: not drawn)")
  var plot: String?

  @Flag(help: "Print JSON. (default: a table)")
  var json = false

  func validate() throws {
    func check(_ option: String, _ value: Double?) throws {
      if let value, !(value > 0 && value.isFinite) {
        throw ValidationError("\(option) \(value) is not allowed; it must be above 0")
      }
    }
    try check("--link-gigabits", linkGigabits)
    try check("--batch", Double(batch))
    try check("--bucket-bytes", Double(bucketBytes))
    try check("--measured-milliseconds", measuredMilliseconds)
    if burstBytes < 0 {
      throw ValidationError("--burst-bytes \(burstBytes) is not allowed; it must be 0 or more")
    }
    if let plot, !Gnuplot.canDraw(to: plot) {
      throw ValidationError("--plot \(plot) is neither a .svg nor a .png file")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    try session.agree(on: "modelling a step") {
      guard session.isRoot else { return }
      let step = try StepMeasurement.read(step)
      let model = StepModel(
        between: try .between(between), inside: try inside.map { try .inside($0) }, step: step,
        bucketBytes: Double(bucketBytes), burstBytes: Double(burstBytes))
      guard model.link.secondsPerByte > 0 else {
        throw Failure(
          .badData, "\(between): no sum is large enough to tell the link's rate",
          remedy: "measure without --up-to")
      }
      let report = StepReport(
        model, of: step, batch: batch, bucketBytes: Double(bucketBytes),
        linkGigabits: linkGigabits, measuredMilliseconds: measuredMilliseconds)
      if let plot { try report.plot(to: plot) }
      print(json ? try encodedJSON(report) : report.table)
    }
    return 0
  }
}

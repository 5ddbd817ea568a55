import ArgumentParser
import Benchmarks
import Communication
import DataParallel
import Datasets
import Layers
import System
import Training

/// `nndist similar RUN --index I`.
struct SimilarCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "similar",
    abstract: "Find the samples whose activations point in the direction of a given sample's.",
    discussion: """
      The cosine between activations of one layer, as an encoder's are compared. The first line \
      is the sample itself, whose cosine is 1.
      """)

  @OptionGroup var options: TrainedRunOptions

  @Option(help: "The sample to compare with, counted from 0 in its split.")
  var index: Int

  @Option(help: "How many to show, the sample itself included.")
  var top = 5

  @Option(help: "Look only among the first so many samples of the split. (default: all)")
  var rows: Int?

  @Option(help: "The layer whose activations are compared. (default: the narrowest)")
  var layer: String?

  func validate() throws {
    func check(_ option: String, _ value: Int?, atLeast minimum: Int) throws {
      if let value, value < minimum {
        throw ValidationError("\(option) \(value) is not allowed; it must be \(minimum) or more")
      }
    }
    try check("--index", index, atLeast: 0)
    try check("--top", top, atLeast: 1)
    try check("--rows", rows, atLeast: 1)
  }

  func run(in session: RankSession) throws -> Int32 {
    try session.agree(on: "comparing activations") {
      guard session.isRoot else { return }
      let run = try options.run()
      // The default is the training split, because the notebook compares training images.
      let split = options.split ?? .train
      let reader = try run.job.data.reader(split)
      let count = min(rows ?? reader.sampleCount, reader.sampleCount)
      guard index < count else {
        throw Failure(
          .usage,
          "--index \(index): the \(split.rawValue) split has \(counted(count, "sample"))"
            + (count < reader.sampleCount ? " to compare, as --rows says" : ""),
          remedy: count == 1 ? "give 0" : "give a number from 0 to \(count - 1)")
      }
      let activations = try run.activations(of: layer, samples: count, from: reader)
      let (lines, name) = (cosines(activations.rows), activations.layer)
      print(
        "\(run.checkpointPath): cosine of \(name)'s activations with sample \(index)'s, \(split.rawValue)"
      )
      var table = Columns(["rank", "sample", "cosine"], isText: [])
      for (rank, match) in lines.prefix(top).enumerated() {
        table.add(["\(rank)", "\(match.sample)", fixed(match.cosine, 6)])
      }
      print(table.text)
    }
    return 0
  }

  /// Returns the sample itself, then the other samples by descending cosine; of equal cosines, the
  /// earlier sample first. The cosine with a sample whose activations are all 0 is 0.
  private func cosines(_ rows: [[Float]]) -> [(sample: Int, cosine: Double)] {
    func dot(_ a: [Float], _ b: [Float]) -> Double {
      zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let own = rows[index]
    let length = dot(own, own).squareRoot()
    let all = rows.enumerated().map { sample, row in
      let lengths = length * dot(row, row).squareRoot()
      return (sample: sample, cosine: lengths == 0 ? 0 : dot(own, row) / lengths)
    }
    let others = all.filter { $0.sample != index }
    return [all[index]] + others.sorted { ($1.cosine, $0.sample) < ($0.cosine, $1.sample) }
  }
}

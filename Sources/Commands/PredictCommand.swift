import ArgumentParser
import Benchmarks
import Communication
import Datasets

/// `nndist predict RUN|CHECKPOINT`.
struct PredictCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Show what a run's network makes of samples.",
    discussion: """
      Classes: one line a sample with its label and the probability of each class. Numbers: the \
      outputs. Series, with --forecast: what follows, running free on the network's own outputs \
      beside teacher forcing. Lines are comma-separated; --output FILE.csv or FILE.npy keeps \
      them, images included. Of a .csv file with a header, --input takes the columns that the \
      network was trained on, by name.
      """)

  @OptionGroup var options: TrainedRunOptions

  @Option(help: "Samples of your own: .npy, .npz, .csv, .png or IDX. (default: a split)")
  var input: String?

  @Option(help: "Where the outputs go: .npy (float32, [N, ...]) or .csv. (default: printed)")
  var output: String?

  @Option(help: "Give a layer's activations instead of the network's outputs. (default: outputs)")
  var layer: String?

  @Flag(help: "Only samples of a split that are classified wrongly. (default: all)")
  var misclassified = false

  @Option(help: "Steps to forecast behind the first half of a series. (default: none)")
  var forecast: Int?

  func validate() throws {
    if let forecast, forecast < 1 {
      throw ValidationError("--forecast \(forecast) is not allowed; it must be 1 or more")
    }
    if misclassified && input != nil {
      throw ValidationError("--misclassified needs targets, which --input has not; use --split")
    }
    if let output, !output.hasSuffix(".npy") && !output.hasSuffix(".csv") {
      throw ValidationError("--output \(output): its name must end in .npy or .csv")
    }
    if [misclassified, forecast != nil, layer != nil].count(where: { $0 }) > 1 {
      throw ValidationError("give one of --misclassified, --forecast and --layer")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    try session.agree(on: "predicting") {
      guard session.isRoot else { return }
      var run = try options.run()
      let samples = try run.reader(input: input, split: options.split)
      let result: Prediction
      if let forecast {
        result = try .forecast(run, samples, steps: forecast)
      } else if let layer {
        result = try .activations(run, samples, layer: layer)
      } else {
        result = try .outputs(run, samples, onlyWrong: misclassified)
      }
      try result.write(to: output)
    }
    return 0
  }
}

import System

/// A recipe that comes with nndist.
public struct BuiltInRecipe: Sendable {
  public let name: String
  /// The network in a few words, as "784-512-512-10 ReLU": numbers of each layer, and what stands
  /// between them.
  public let model: String
  /// What it takes on one core; nil: not measured.
  public let seconds: Double?
  public let yaml: String

  init(name: String, model: String, seconds: Double? = nil, yaml: String) {
    self.name = name
    self.model = model
    self.seconds = seconds
    self.yaml = yaml
  }

  /// All of them; the first is the default, and the notebooks' come in the notebooks' order.
  public static let all = [
    fashionMNIST, threeBlueLinear, threeBlue, threeBlueHighRate, mnistMLP, perceptron,
    blobsFeedforward, parabolaDescent, parabolaFit, lineSGD, lineAdam, blobsLogistic, fashionLinear,
    ringsTwoBrief, ringsOne, ringsTwo, ringsThree, ringsReLU, wave, waveFlipped, mnistFeedforward,
    mnistConv, mnistAutoencoder, trendRNNReLU, trendRNN, mnistConvAutoencoder,
    mnistDenoisingAutoencoder, trendLSTM, trendGRU, quadraticRNN, digitsRNNAutoencoder,
    reverseSeq2Seq, mnistConvBest, fashionConv,
  ]

  public static func named(_ name: String) -> BuiltInRecipe? { all.first { $0.name == name } }

  public var text: RecipeText {
    get throws { try RecipeText(yaml, source: "recipe \(name)") }
  }

  /// The text of the built-in recipe or the YAML file that `argument` names.
  /// - Throws: `Failure(.usage)` for a name that is neither, with the nearest; `Failure(.inputMissing)`
  ///   for a file that cannot be read.
  public static func text(
    named argument: String, read: (String) throws -> String
  ) throws -> RecipeText {
    if let recipe = named(argument) { return try recipe.text }
    if argument.hasSuffix(".yaml") || argument.hasSuffix(".yml") || argument.contains("/") {
      return try RecipeText(try read(argument), source: argument)
    }
    throw Failure(
      .usage, "there is no recipe \(argument)",
      remedy: Spelling.hint(for: argument, among: all.map(\.name))
        + " (`nndist recipes` lists them; a file's name ends in .yaml)")
  }
}

import Recipes
import System
import Tensors
import Training

/// A training step to time. Its name is the same as in the benchmarks of other libraries.
struct BenchWorkload {
  let name: String
  /// The built-in recipe that it uses, and the settings that change it.
  let recipe: String
  let settings: [String]
  /// Samples in a global batch.
  let batchSize: Int
  /// A number of steps that takes a second or two on one core of 2023.
  let steps: Int
  /// For a plain recurrence: [time steps, samples, hidden features].
  let series: Shape?

  private init(
    _ name: String, _ recipe: String, batchSize: Int, steps: Int, series: Shape? = nil,
    _ settings: [String] = []
  ) {
    self.name = name
    self.recipe = recipe
    self.batchSize = batchSize
    self.steps = steps
    self.series = series
    self.settings = settings
  }

  private static let garments = ["data.dataset=fashion-mnist", "data.sample=null"]

  /// The data are 60,000 images of Fashion-MNIST, 2,000 points in two dimensions, or one series of
  /// 700.
  static let all = [
    BenchWorkload("threeblue", "threeblue", batchSize: 60000, steps: 20, garments),
    BenchWorkload("mlp512", "mnist-mlp", batchSize: 64, steps: 1000, garments),
    BenchWorkload("mlp512_1024", "mnist-mlp", batchSize: 1024, steps: 60, garments),
    BenchWorkload("fashion_linear", "fashion-linear", batchSize: 10, steps: 60000, garments),
    BenchWorkload("ff100", "mnist-feedforward", batchSize: 16, steps: 12000, garments),
    BenchWorkload("conv", "mnist-conv", batchSize: 16, steps: 400, garments),
    BenchWorkload("conv256", "mnist-conv", batchSize: 256, steps: 30, garments),
    BenchWorkload("ae", "mnist-autoencoder", batchSize: 16, steps: 12000, garments),
    BenchWorkload("rings", "rings-3", batchSize: 2000, steps: 20000),
    BenchWorkload("rnn", "trend-rnn", batchSize: 1, steps: 800, series: [699, 1, 4]),
  ]

  /// A network of any size that needs no files: 2 inputs, `depth` hidden layers of `width` nodes
  /// and 1 output, on generated points.
  static func network(batch: Int, width: Int, depth: Int, steps: Int) -> BenchWorkload {
    BenchWorkload(
      "2-\(width) x \(depth)-1", "rings-3", batchSize: batch, steps: steps,
      [
        // The sample count is a power of two, so that all batches are full if the batch size is one
        // too.
        "data={dataset: blobs, count: 8192, deviation: 1.5, binary: true, test_count: 1}",
        "model.nodes=\(width)", "model.hidden_layers=\(depth)", "model.activation=ReLU",
        // The rate is so small that training never diverges, even in a long measurement.
        "optimizer.lr=1e-6",
      ])
  }

  /// The recipe of the workload.
  /// - Parameter shards: at least the number of ranks.
  func recipe(shards: Int, data: String?, precision: Precision) throws -> Recipe {
    var text = try BuiltInRecipe.text(named: recipe) { try readText($0, invalid: .usage) }
    try text.apply(settings: settings)
    if let data, !settings.isEmpty { try text.setDataPath(data) }
    try text.set("batch_size", to: "\(batchSize)")
    try text.set("epochs", to: "1000000000")
    try text.set("precision", to: precision.rawValue)
    var recipe = try text.recipe()
    recipe.shards = shards
    return recipe
  }
}

import Recipes
import System
import Tensors
import Training

/// A training step that is timed, by the name other libraries' benchmarks of it have.
struct BenchWorkload {
  let name: String
  /// The built-in recipe it is made from, and what is set in it.
  let recipe: String
  let settings: [String]
  /// Samples in a global batch.
  let batchSize: Int
  /// So many take a second or two on one core of 2023.
  let steps: Int
  /// Of a plain recurrence the steps, samples and hidden features.
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

  /// 60,000 images of Fashion-MNIST, 2,000 points in two dimensions, or one series of 700.
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

  /// 2 inputs, `depth` hidden layers of `width` nodes, 1 output, on generated points: it grows as one wants
  /// it, and needs no files.
  static func network(batch: Int, width: Int, depth: Int, steps: Int) -> BenchWorkload {
    BenchWorkload(
      "2-\(width) x \(depth)-1", "rings-3", batchSize: batch, steps: steps,
      [
        // Whole batches, whatever power of two they are.
        "data={dataset: blobs, count: 8192, deviation: 1.5, binary: true, test_count: 1}",
        "model.nodes=\(width)", "model.hidden_layers=\(depth)", "model.activation=ReLU",
        // So little that it never goes wrong, however long it is timed.
        "optimizer.lr=1e-6",
      ])
  }

  /// The recipe, for so many ranks at least.
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

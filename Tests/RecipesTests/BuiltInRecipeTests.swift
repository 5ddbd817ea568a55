import Foundation
import Layers
import Recipes
import TestSupport
import Testing

@Suite struct BuiltInRecipeTests {
  /// The default; the notebooks' (issue 4), in their order; what they wish for.
  static let names = [
    "fashion-mnist",
    "threeblue-linear", "threeblue", "threeblue-lr500", "mnist-mlp", "perceptron",
    "blobs-feedforward", "parabola-descent", "parabola-fit", "line-sgd", "line-adam",
    "blobs-logistic", "fashion-linear", "rings-2-brief", "rings-1", "rings-2", "rings-3",
    "rings-relu5", "wave", "wave-flipped", "mnist-feedforward", "mnist-conv", "mnist-autoencoder",
    "trend-rnn-relu", "trend-rnn",
    "mnist-conv-autoencoder", "mnist-denoising-autoencoder", "trend-lstm", "trend-gru",
    "quadratic-rnn", "digits-rnn-autoencoder", "reverse-seq2seq", "mnist-conv-best",
    "fashion-conv",
  ]

  @Test func theFirstIsTheDefault() {
    #expect(BuiltInRecipe.all.map(\.name) == BuiltInRecipeTests.names)
  }

  @Test func theListHasEveryFile() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/Recipes/BuiltIn").standardized
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(Set(files) == Set(BuiltInRecipe.all.map { "\($0.name).yaml" }))
    for builtIn in BuiltInRecipe.all {
      let text = try String(
        contentsOf: folder.appending(path: "\(builtIn.name).yaml"), encoding: .utf8)
      #expect(text == builtIn.yaml + "\n")
    }
  }

  @Test(arguments: names)
  func whatIsWrittenReadsBackEqualAndIsWrittenTheSame(name: String) throws {
    let recipe = try BuiltInRecipe.named(name)!.text.recipe()
    #expect(recipe.name == name)
    let again = try RecipeText(recipe.yaml, source: "again").recipe()
    #expect(again == recipe)
    #expect(again.yaml == recipe.yaml)
  }

  /// Nothing is left to a default that a later version could change.
  @Test(arguments: names)
  func everyKeyIsWritten(name: String) throws {
    let keys = try BuiltInRecipe.named(name)!.text.recipe().yaml.split(separator: "\n")
      .filter { !$0.hasPrefix(" ") && !$0.hasPrefix("-") }.map { $0.prefix { $0 != ":" } }
    #expect(
      keys == [
        "name", "expect", "data", "model", "loss", "optimizer", "schedule", "clip_norm",
        "batch_size", "micro_batch", "compress", "precision", "epochs", "shuffle", "seed",
        "shards", "leftover_gradient", "evaluation",
      ])
  }

  /// PyTorch's names: `load_state_dict(strict=True)` takes these and no others.
  @Test(arguments: [
    (
      "perceptron", ["fc.weight [10, 48]", "fc.bias [10]"]
    ),
    (
      "blobs-feedforward",
      ["fc1.weight [10, 2]", "fc1.bias [10]", "fc2.weight [1, 10]", "fc2.bias [1]"]
    ),
    ("line-sgd", ["weight [1, 1]", "bias [1]"]), ("parabola-fit", ["w []", "b []"]),
    ("blobs-logistic", ["0.weight [1, 2]", "0.bias [1]"]),
    ("threeblue-linear", ["layers.0.weight [10, 784]", "layers.0.bias [10]"]),
    ("fashion-linear", ["1.weight [10, 784]", "1.bias [10]"]),
    (
      "mnist-mlp",
      [
        "linear_relu_stack.0.weight [512, 784]", "linear_relu_stack.0.bias [512]",
        "linear_relu_stack.2.weight [512, 512]", "linear_relu_stack.2.bias [512]",
        "linear_relu_stack.4.weight [10, 512]", "linear_relu_stack.4.bias [10]",
      ]
    ),
    (
      "fashion-mnist",
      [
        "1.weight [512, 784]", "1.bias [512]", "3.weight [512, 512]", "3.bias [512]",
        "5.weight [10, 512]", "5.bias [10]",
      ]
    ),
    (
      "mnist-conv",
      [
        "0.weight [16, 1, 3, 3]", "0.bias [16]", "3.weight [64, 16, 3, 3]", "3.bias [64]",
        "6.weight [128, 64, 3, 3]", "6.bias [128]", "10.weight [10, 128]", "10.bias [10]",
      ]
    ),
  ])
  func parametersHavePyTorchsNames(recipe: String, names: [String]) throws {
    let module = try BuiltInRecipe.named(recipe)!.text.recipe().model.module()
    #expect(module.namedParameters.map { "\($0.name) \($0.tensor.shape)" } == names)
  }

  /// What ../shared/systems.md prints of them, or its arithmetic gives.
  @Test(arguments: [
    ("threeblue", 13002), ("mnist-mlp", 669706), ("blobs-feedforward", 41), ("rings-2-brief", 9),
    ("wave", 31), ("mnist-feedforward", 79510), ("mnist-conv", 84586),
    ("mnist-autoencoder", 79234),
    ("fashion-linear", 7850), ("perceptron", 490),
  ])
  func networksHaveTheNotebooksParameters(name: String, count: Int) throws {
    #expect(
      try BuiltInRecipe.named(name)!.text.recipe().model.module().parameterCount == count)
  }

  /// Of all recipes that PyTorch's trajectories are there for.
  @Test(.enabled(if: sharedFolder() != nil, "../shared is not there"))
  func parametersAreThoseOfPyTorchsTrajectories() throws {
    let golden = sharedFolder()! + "/golden"
    let names = try FileManager.default.contentsOfDirectory(atPath: golden)
      .filter { FileManager.default.fileExists(atPath: "\(golden)/\($0)/init.safetensors") }
    #expect(!names.isEmpty)
    for name in names.sorted() {
      let bytes = contents("\(golden)/\(name)/init.safetensors")
      let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
      let header = try #require(
        JSONSerialization.jsonObject(with: Data(bytes[8..<8 + length])) as? [String: Any])
      let wanted = header.filter { $0.key != "__metadata__" }.map {
        "\($0.key) \(($0.value as! [String: Any])["shape"] as! [Int])"
      }
      let recipe = try #require(BuiltInRecipe.named(name), "no recipe \(name)").text.recipe()
      let found = recipe.model.module().namedParameters.map { "\($0.name) \($0.tensor.shape)" }
      #expect(found.sorted() == wanted.sorted(), "\(name)")
    }
  }

  /// name, optimizer, rate, batch, epochs, shuffled: the systems of ../shared/systems.md.
  @Test(arguments: [
    ("fashion-mnist", "adam", 0.001, 64, 5, true), ("threeblue", "sgd", 0.1, 60000, 111, false),
    ("threeblue-lr500", "sgd", 500, 60000, 10, false), ("mnist-mlp", "sgd", 0.001, 64, 5, false),
    ("perceptron", "sgd", 0.01, 1, 1, false), ("blobs-feedforward", "sgd", 0.01, 40, 50, false),
    ("parabola-descent", "sgd", 0.1, 1, 10, false), ("parabola-fit", "sgd", 0.1, 100, 20, false),
    ("line-sgd", "sgd", 0.01, 15, 1, false), ("line-adam", "adam", 0.1, 15, 100, false),
    ("blobs-logistic", "sgd", 0.1, 100, 100, false), ("fashion-linear", "sgd", 0.1, 10, 10, true),
    ("rings-2-brief", "adam", 0.01, 2000, 100, false),
    ("rings-1", "adam", 0.001, 2000, 10000, false),
    ("rings-2", "adam", 0.001, 2000, 10000, false), ("rings-3", "adam", 0.001, 2000, 10000, false),
    ("rings-relu5", "adam", 0.001, 2000, 10000, false), ("wave", "adam", 0.01, 200, 20000, false),
    ("wave-flipped", "adam", 0.01, 200, 14000, false),
    ("mnist-feedforward", "adam", 0.01, 16, 20, true), ("mnist-conv", "adam", 0.01, 16, 20, true),
    ("mnist-autoencoder", "adam", 0.01, 16, 20, true),
    ("trend-rnn-relu", "adam", 0.001, 1, 1, false), ("trend-rnn", "adam", 0.1, 1, 10000, false),
  ])
  func settingsAreTheNotebooks(
    name: String, optimizer: String, rate: Double, batch: Int, epochs: Int, shuffles: Bool
  ) throws {
    let recipe = try BuiltInRecipe.named(name)!.text.recipe()
    #expect(recipe.optimizer.kind == optimizer && recipe.optimizer.lr == rate)
    #expect(recipe.batchSize == batch && recipe.epochs == epochs && recipe.shuffle == shuffles)
  }

  /// Known before a file is opened, and the loss agrees: reading checks it.
  @Test(
    arguments: [
      ("rings-3", [2], [1], nil), ("blobs-logistic", [2], [1], nil), ("wave", [1], [1], nil),
      ("perceptron", [48], [10], nil), ("trend-rnn", [699, 1], [699, 1], nil),
      ("mnist-conv", [1, 28, 28], [], 10), ("reverse-seq2seq", [2, 8, 11], [8], 10),
    ] as [(String, [Int], [Int], Int?)])
  func shapesOfSamplesAreKnown(
    name: String, input: [Int], target: [Int], classes: Int?
  ) throws {
    let recipe = try BuiltInRecipe.named(name)!.text.recipe()
    #expect(
      recipe.sampleShapes == SampleShapes(input: input, target: target, classCount: classes))
  }

  @Test func initialValuesAreThoseOfTheRecipe() throws {
    let recipe = try BuiltInRecipe.named("line-sgd")!.text.recipe()
    let module = recipe.model.module()
    module.initialize(seed: 5)
    recipe.model.setInitialValues(of: module)
    #expect(module.namedParameters.map { $0.tensor.pointer(Float.self)[0] } == [-0.288, -0.1145])
    var text = try BuiltInRecipe.named("perceptron")!.text
    try text.set("model.initial", to: "{fc.bias: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], fc.weight: 0.5}")
    let other = try text.recipe().model
    let perceptron = other.module()
    other.setInitialValues(of: perceptron)
    let (weight, bias) = (perceptron.parameters[0], perceptron.parameters[1])
    #expect((0..<480).allSatisfy { weight.pointer(Float.self)[$0] == 0.5 })
    #expect((0..<10).allSatisfy { bias.pointer(Float.self)[$0] == Float($0) })
  }

  @Test func eachSaysInOneLineWhatToExpect() throws {
    for builtIn in BuiltInRecipe.all {
      let expect = try builtIn.text.recipe().expect
      #expect(!expect.isEmpty && expect.count <= 70, "\(builtIn.name)")
      #expect(!builtIn.model.isEmpty && builtIn.model.count <= 26, "\(builtIn.name)")
    }
  }

  @Test func namesThatAreNoneGiveTheNearest() {
    for (wrong, right) in [
      ("mnist-mpl", "mnist-mlp"), ("fashion_mnist", "fashion-mnist"),
      ("FASHION-LINEAR", "fashion-linear"),
      ("fashionlinear", "fashion-linear"),
    ] {
      expectFailure(.usage, "there is no recipe \(wrong)", remedy: "did you mean \(right)?") {
        _ = try BuiltInRecipe.text(named: wrong) { _ in "" }
      }
    }
    expectFailure(
      .usage, "there is no recipe resnet-50",
      remedy: "choose from fashion-mnist, threeblue-linear, threeblue, "
    ) { _ = try BuiltInRecipe.text(named: "resnet-50") { _ in "" } }
  }

  @Test(arguments: ["my.yaml", "my.yml", "./mine", "dir/mine"])
  func filesAreReadByTheirNames(argument: String) throws {
    let text = try BuiltInRecipe.text(named: argument) {
      #expect($0 == argument)
      return BuiltInRecipe.all[0].yaml
    }
    #expect(try text.recipe().name == "fashion-mnist")
  }
}

import Layers
import Recipes
import TestSupport
import Testing

@Suite struct BuiltInRecipeTests {
  static let names = ["fashion-mnist", "mnist-mlp", "fashion-linear", "mnist-conv"]

  @Test func theFirstIsTheDefault() {
    #expect(BuiltInRecipe.all.map(\.name) == BuiltInRecipeTests.names)
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
        "name", "expect", "data", "model", "loss", "optimizer", "schedule", "batch_size", "epochs",
        "shuffle", "seed", "shards",
      ])
  }

  /// PyTorch's names: `load_state_dict(strict=True)` takes these and no others.
  @Test(arguments: [
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

  /// Issue 2 and the systems S04, S12 and S27 fix these.
  @Test func settingsAreTheAgreedOnes() throws {
    let fashion = try BuiltInRecipe.named("fashion-mnist")!.text.recipe()
    #expect(fashion.optimizer.kind == .adam && fashion.optimizer.lr == 0.001)
    #expect(fashion.optimizer.betas == [0.9, 0.999] && fashion.optimizer.eps == 1e-8)
    #expect(fashion.schedule == .cosine && fashion.batchSize == 64 && fashion.epochs == 5)
    #expect(fashion.shuffle && fashion.data.dataset == .fashionMNIST)
    let mlp = try BuiltInRecipe.named("mnist-mlp")!.text.recipe()
    #expect(mlp.optimizer.kind == .sgd && mlp.optimizer.lr == 0.001)
    #expect(mlp.schedule == .constant && mlp.batchSize == 64 && mlp.epochs == 5)
    #expect(!mlp.shuffle && mlp.data.dataset == .mnist)
    let linear = try BuiltInRecipe.named("fashion-linear")!.text.recipe()
    #expect(linear.optimizer.kind == .sgd && linear.optimizer.lr == 0.1)
    #expect(linear.schedule == .constant && linear.batchSize == 10 && linear.epochs == 10)
    #expect(linear.shuffle && linear.data.scale == .unit)
    let conv = try BuiltInRecipe.named("mnist-conv")!.text.recipe()
    #expect(conv.optimizer.kind == .adam && conv.optimizer.lr == 0.01)
    #expect(conv.schedule == .constant && conv.batchSize == 16 && conv.epochs == 20)
    #expect(conv.shuffle && conv.data.dataset == .mnist)
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
      remedy: "choose from fashion-mnist, mnist-mlp, fashion-linear, mnist-conv"
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

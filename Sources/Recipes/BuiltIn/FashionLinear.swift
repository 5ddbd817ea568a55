extension BuiltInRecipe {
  /// Logistic regression on garments (system S12).
  static let fashionLinear = BuiltInRecipe(
    name: "fashion-linear", model: "784-10", seconds: 2.2,
    yaml: """
      name: fashion-linear
      expect: 81 to 84 % of the test garments after 10 epochs
      data: {dataset: fashion-mnist}
      model:
        layers:
          - layer: Flatten
          - {layer: Linear, in_features: 784, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: sgd, lr: 0.1}
      batch_size: 10
      epochs: 10
      """)
}

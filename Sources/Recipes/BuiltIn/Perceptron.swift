extension BuiltInRecipe {
  /// One step from noise to noise (system S05).
  static let perceptron = BuiltInRecipe(
    name: "perceptron", model: "48-10 Sigmoid", seconds: 0.1,
    yaml: """
      name: perceptron
      expect: one step; loss about 1, as the notebook's 1.0273
      data: {dataset: noise, inputs: 48, targets: 10, count: 1}
      model:
        class: Perceptron
        layers:
          - {layer: Linear, name: fc, in_features: 48, out_features: 10}
          - {layer: Sigmoid, name: sigmoid}
      loss: mse
      optimizer: {kind: sgd, lr: 0.01}
      batch_size: 1
      epochs: 1
      shuffle: false
      """)
}

extension BuiltInRecipe {
  /// What bare `nndist` trains.
  static let fashionMNIST = BuiltInRecipe(
    name: "fashion-mnist", model: "784-512-512-10 ReLU", seconds: 19,
    yaml: """
      name: fashion-mnist
      expect: about 89 % of the test garments after 5 epochs
      data: {dataset: fashion-mnist}
      model:
        layers:
          - layer: Flatten
          - {layer: Linear, in_features: 784, out_features: 512}
          - layer: ReLU
          - {layer: Linear, in_features: 512, out_features: 512}
          - layer: ReLU
          - {layer: Linear, in_features: 512, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: adam, lr: 0.001}
      schedule: cosine
      batch_size: 64
      epochs: 5
      """)
}

extension BuiltInRecipe {
  /// The notebooks' first network, which they make and never train (system S01).
  static let threeBlueLinear = BuiltInRecipe(
    name: "threeblue-linear", model: "784-10", seconds: 0.8,
    yaml: """
      name: threeblue-linear
      expect: the notebook makes this network and never trains it
      data: {dataset: mnist, target: one-hot}
      model:
        class: ThreeBlue
        layers:
          - {layer: Flatten, name: flatten}
          - layer: Sequential
            name: layers
            layers:
              - {layer: Linear, in_features: 784, out_features: 10}
      loss: mse
      optimizer: {kind: sgd, lr: 0.1}
      batch_size: 60000
      epochs: 10
      shuffle: false
      evaluation: {every: 10}
      """)
}

extension BuiltInRecipe {
  /// All of MNIST as one batch, pixels divided in the network (system S02).
  static let threeBlue = BuiltInRecipe(
    name: "threeblue", model: "784-16-16-10 Sigmoid", seconds: 22,
    yaml: """
      name: threeblue
      expect: loss 0.279 falls slowly, to 0.179 by epoch 56
      data: {dataset: mnist, scale: raw, target: one-hot}
      model:
        class: ThreeBlue
        layers:
          - {layer: Divide, divisor: 255}
          - {layer: Flatten, name: flatten}
          - layer: Sequential
            name: layers
            layers:
              - {layer: Linear, in_features: 784, out_features: 16}
              - layer: Sigmoid
              - {layer: Linear, in_features: 16, out_features: 16}
              - layer: Sigmoid
              - {layer: Linear, in_features: 16, out_features: 10}
              - layer: Sigmoid
      loss: mse
      optimizer: {kind: sgd, lr: 0.1}
      batch_size: 60000
      epochs: 111
      shuffle: false
      evaluation: {every: 10}
      """)
}

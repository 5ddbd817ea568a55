extension BuiltInRecipe {
  /// The same at a rate at which it gets stuck (system S03).
  static let threeBlueHighRate = BuiltInRecipe(
    name: "threeblue-lr500", model: "784-16-16-10 Sigmoid", seconds: 2.3,
    yaml: """
      name: threeblue-lr500
      expect: loss sticks at 0.1000 from epoch 2 on, as the rate is too high
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
      optimizer: {kind: sgd, lr: 500}
      batch_size: 60000
      epochs: 10
      shuffle: false
      evaluation: {every: 10}
      """)
}

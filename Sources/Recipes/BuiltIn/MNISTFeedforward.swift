extension BuiltInRecipe {
  /// A tenth of MNIST, drawn with replacement (system S25; S24 its scores, S23 with a Softmax).
  static let mnistFeedforward = BuiltInRecipe(
    name: "mnist-feedforward", model: "784-100-10 ReLU", seconds: 1.8,
    yaml: """
      name: mnist-feedforward
      expect: the notebook's 0.9440 of 1000 test digits after 20 epochs
      data: {dataset: mnist, sample: {train: 6000, test: 1000, seed: 0}}
      model:
        layers:
          - layer: Flatten
          - {layer: Linear, in_features: 784, out_features: 100}
          - layer: ReLU
          - {layer: Linear, in_features: 100, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 16
      epochs: 20
      """)
}

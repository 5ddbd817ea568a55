extension BuiltInRecipe {
  /// The PyTorch quickstart's network and settings (system S04).
  static let mnistMLP = BuiltInRecipe(
    name: "mnist-mlp", model: "784-512-512-10 ReLU", seconds: 14,
    yaml: """
      name: mnist-mlp
      expect: slow by design, 35 % of the test digits after epoch 1, 70 % after 5
      data: {dataset: mnist}
      model:
        class: NeuralNetwork
        layers:
          - {layer: Flatten, name: flatten}
          - layer: Sequential
            name: linear_relu_stack
            layers:
              - {layer: Linear, in_features: 784, out_features: 512}
              - layer: ReLU
              - {layer: Linear, in_features: 512, out_features: 512}
              - layer: ReLU
              - {layer: Linear, in_features: 512, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: sgd, lr: 0.001}
      batch_size: 64
      epochs: 5
      shuffle: false
      """)
}

extension BuiltInRecipe {
  /// Three small convolutions with batch norm; digits are shifted and turned.
  static let mnistConvBest = BuiltInRecipe(
    name: "mnist-conv-best", model: "3 convolutions, batch norm", seconds: 135,
    yaml: """
      name: mnist-conv-best
      expect: 99.4 to 99.5 % of the test digits after 8 epochs
      data:
        dataset: mnist
        augment: {shift: 2, rotate: 10}
      model:
        layers:
          - {layer: Conv2d, in_channels: 1, out_channels: 16, kernel_size: 3, padding: 1, bias: false}
          - {layer: BatchNorm2d, num_features: 16}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - {layer: Conv2d, in_channels: 16, out_channels: 32, kernel_size: 3, padding: 1, bias: false}
          - {layer: BatchNorm2d, num_features: 32}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - {layer: Conv2d, in_channels: 32, out_channels: 64, kernel_size: 3, padding: 1, bias: false}
          - {layer: BatchNorm2d, num_features: 64}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - layer: Flatten
          - {layer: Dropout, p: 0.2}
          - {layer: Linear, in_features: 576, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: adamw, lr: 0.01, weight_decay: 0.01}
      schedule: one-cycle
      batch_size: 128
      epochs: 8
      """)
}

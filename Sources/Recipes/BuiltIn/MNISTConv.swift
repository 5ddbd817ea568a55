extension BuiltInRecipe {
  /// The notebooks' convolutional network (system S27).
  static let mnistConv = BuiltInRecipe(
    name: "mnist-conv", model: "3 convolutions, 128-10", seconds: 29,
    yaml: """
      name: mnist-conv
      expect: the notebook's 0.9240 of 1000 test digits; its rate is high
      data: {dataset: mnist, sample: {train: 6000, test: 1000, seed: 0}}
      model:
        layers:
          - {layer: Conv2d, in_channels: 1, out_channels: 16, kernel_size: 3}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - {layer: Conv2d, in_channels: 16, out_channels: 64, kernel_size: 3}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - {layer: Conv2d, in_channels: 64, out_channels: 128, kernel_size: 3}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - layer: Flatten
          - {layer: Linear, in_features: 128, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 16
      epochs: 20
      """)
}

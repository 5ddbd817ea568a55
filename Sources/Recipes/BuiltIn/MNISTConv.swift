extension BuiltInRecipe {
  /// The notebooks' convolutional network and settings (system S27), on all of MNIST.
  static let mnistConv = BuiltInRecipe(
    name: "mnist-conv",
    yaml: """
      name: mnist-conv
      expect: 94 to 97 % of the test digits in the first epochs; the rate, the notebook's, is high
      data: {dataset: mnist}
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

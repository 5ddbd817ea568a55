extension BuiltInRecipe {
  /// Three convolutions with batch norm; garments are flipped and shifted.
  static let fashionConv = BuiltInRecipe(
    name: "fashion-conv", model: "3 convolutions, batch norm", seconds: 562,
    yaml: """
      name: fashion-conv
      expect: 92.8 to 93.0 % of the test garments after 12 epochs
      data:
        dataset: fashion-mnist
        augment: {shift: 1, flip: true}
      model:
        layers:
          - {layer: Conv2d, in_channels: 1, out_channels: 32, kernel_size: 3, padding: 1, bias: false}
          - {layer: BatchNorm2d, num_features: 32}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - {layer: Conv2d, in_channels: 32, out_channels: 64, kernel_size: 3, padding: 1, bias: false}
          - {layer: BatchNorm2d, num_features: 64}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - {layer: Conv2d, in_channels: 64, out_channels: 128, kernel_size: 3, padding: 1, bias: false}
          - {layer: BatchNorm2d, num_features: 128}
          - layer: ReLU
          - {layer: MaxPool2d, kernel_size: 2}
          - layer: Flatten
          - {layer: Dropout, p: 0.3}
          - {layer: Linear, in_features: 1152, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: adamw, lr: 0.005, weight_decay: 0.01}
      schedule: one-cycle
      batch_size: 128
      epochs: 12
      """)
}

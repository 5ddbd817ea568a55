extension BuiltInRecipe {
  /// The autoencoder the notebooks wish for: convolutions down to 7 x 7 and back.
  static let mnistConvAutoencoder = BuiltInRecipe(
    name: "mnist-conv-autoencoder", model: "convolutions to 32x7x7", seconds: 30,
    yaml: """
      name: mnist-conv-autoencoder
      expect: sharper digits than mnist-autoencoder's; its code is larger, too
      data: {dataset: mnist, target: input}
      model:
        class: ConvAutoencoder
        layers:
          - layer: Sequential
            name: encoder
            layers:
              - {layer: Conv2d, in_channels: 1, out_channels: 16, kernel_size: 3, stride: 2, padding: 1}
              - layer: ReLU
              - {layer: Conv2d, in_channels: 16, out_channels: 32, kernel_size: 3, stride: 2, padding: 1}
              - layer: ReLU
          - layer: Sequential
            name: decoder
            layers:
              - layer: ConvTranspose2d
                in_channels: 32
                out_channels: 16
                kernel_size: 3
                stride: 2
                padding: 1
                output_padding: 1
              - layer: ReLU
              - layer: ConvTranspose2d
                in_channels: 16
                out_channels: 1
                kernel_size: 3
                stride: 2
                padding: 1
                output_padding: 1
              - layer: Sigmoid
      loss: mse
      optimizer: {kind: adam, lr: 0.001}
      batch_size: 64
      epochs: 5
      """)
}

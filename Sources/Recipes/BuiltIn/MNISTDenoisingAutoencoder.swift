extension BuiltInRecipe {
  /// Clean digits from noisy ones (Vincent et al., 2008).
  static let mnistDenoisingAutoencoder = BuiltInRecipe(
    name: "mnist-denoising-autoencoder", model: "784-100-784 ReLU, Sigmoid", seconds: 45,
    yaml: """
      name: mnist-denoising-autoencoder
      expect: clean digits from noisy ones, test loss 0.008
      data: {dataset: mnist, target: input, corrupt: 0.3}
      model: {architecture: AE, inputs: 784, hidden: 100, image: [1, 28, 28]}
      loss: mse
      optimizer: {kind: adam, lr: 0.001}
      batch_size: 64
      epochs: 10
      """)
}

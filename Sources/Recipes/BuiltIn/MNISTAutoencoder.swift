extension BuiltInRecipe {
  /// Digits through 50 numbers and back (systems S28 to S30).
  static let mnistAutoencoder = BuiltInRecipe(
    name: "mnist-autoencoder", model: "784-50-784 ReLU, Sigmoid", seconds: 3.5,
    yaml: """
      name: mnist-autoencoder
      expect: loss 0.23 untrained, 0.037 after epoch 1, 0.017 after 20
      data: {dataset: mnist, target: input, sample: {train: 6000, test: 1000, seed: 0}}
      model: {architecture: AE, inputs: 784, hidden: 50, image: [1, 28, 28]}
      loss: mse
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 16
      epochs: 20
      """)
}

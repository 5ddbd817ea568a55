extension BuiltInRecipe {
  /// Digits read row by row into one hidden state, and written back.
  static let digitsRNNAutoencoder = BuiltInRecipe(
    name: "digits-rnn-autoencoder", model: "GRU 28-64-28", seconds: 41,
    yaml: """
      name: digits-rnn-autoencoder
      expect: blurred digits, from 64 numbers each; test loss 0.038
      data: {dataset: mnist, target: input, sample: {train: 6000, test: 1000, seed: 0}}
      model:
        architecture: SequenceAutoencoder
        cell: GRU
        features: 28
        length: 28
        hidden_size: 64
        image: [1, 28, 28]
      loss: mse
      optimizer: {kind: adam, lr: 0.003}
      batch_size: 32
      epochs: 10
      """)
}

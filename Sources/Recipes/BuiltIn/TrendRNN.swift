extension BuiltInRecipe {
  /// The handwritten RNN, taught along the whole series (system S34).
  static let trendRNN = BuiltInRecipe(
    name: "trend-rnn", model: "RNN 1-4-1 Tanh", seconds: 150,
    yaml: """
      name: trend-rnn
      expect: loss falls from a million; a bounded RNN cannot follow a line
      data: {dataset: trend}
      model: {architecture: RNN, input_size: 1, hidden_size: 4, output_size: 1, activation: Tanh}
      loss: mse
      optimizer: {kind: adam, lr: 0.1}
      batch_size: 1
      epochs: 10000
      shuffle: false
      evaluation: {every: 100}
      """)
}

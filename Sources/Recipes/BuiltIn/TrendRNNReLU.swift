extension BuiltInRecipe {
  /// One step of the handwritten RNN on a line (systems S31 to S33). The seed is one from which the
  /// loss is finite: from 0 and 1 the states grow beyond float32 in 699 steps of ReLU, as PyTorch's
  /// do from 2 of 5 seeds.
  static let trendRNNReLU = BuiltInRecipe(
    name: "trend-rnn-relu", model: "RNN 1-32-1 ReLU", seconds: 0.1,
    yaml: """
      name: trend-rnn-relu
      expect: one step on a series from 4 to 2098; the loss is huge
      data: {dataset: trend}
      model: {architecture: RNN, input_size: 1, hidden_size: 32, output_size: 1, activation: ReLU}
      loss: mse
      optimizer: {kind: adam, lr: 0.001}
      batch_size: 1
      epochs: 1
      shuffle: false
      seed: 2
      """)
}

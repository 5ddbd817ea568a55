extension BuiltInRecipe {
  /// The notebooks' series with an LSTM, standardized.
  static let trendLSTM = BuiltInRecipe(
    name: "trend-lstm", model: "LSTM 1-16-1", seconds: 52,
    yaml: """
      name: trend-lstm
      expect: follows the series it is taught; beyond it, hardly
      data: {dataset: trend, standardize: all, standardize_target: true}
      model: {architecture: SequenceNet, cell: LSTM, input_size: 1, hidden_size: 16, output_size: 1}
      loss: mse
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 1
      epochs: 500
      shuffle: false
      evaluation: {every: 100}
      """)
}

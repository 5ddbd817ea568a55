extension BuiltInRecipe {
  /// The same with a GRU.
  static let trendGRU = BuiltInRecipe(
    name: "trend-gru", model: "GRU 1-16-1", seconds: 49,
    yaml: """
      name: trend-gru
      expect: as trend-lstm, with fewer parameters
      data: {dataset: trend, standardize: all, standardize_target: true}
      model: {architecture: SequenceNet, cell: GRU, input_size: 1, hidden_size: 16, output_size: 1}
      loss: mse
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 1
      epochs: 500
      shuffle: false
      evaluation: {every: 100}
      """)
}

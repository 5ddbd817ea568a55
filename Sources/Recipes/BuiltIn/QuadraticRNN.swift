extension BuiltInRecipe {
  /// A quadratic trend with noise at each point, which the notebooks wish for.
  static let quadraticRNN = BuiltInRecipe(
    name: "quadratic-rnn", model: "RNN 1-16-1", seconds: 12,
    yaml: """
      name: quadratic-rnn
      expect: follows the parabola it is taught; beyond it, hardly
      data: {dataset: trend, curvature: 0.01, noise: point, standardize: all, standardize_target: true}
      model: {architecture: SequenceNet, cell: RNN, input_size: 1, hidden_size: 16, output_size: 1}
      loss: mse
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 1
      epochs: 500
      shuffle: false
      evaluation: {every: 100}
      """)
}

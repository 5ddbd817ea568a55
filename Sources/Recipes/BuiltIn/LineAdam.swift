extension BuiltInRecipe {
  /// The same line with Adam (system S10).
  static let lineAdam = BuiltInRecipe(
    name: "line-adam", model: "1-1", seconds: 0.1,
    yaml: """
      name: line-adam
      expect: weight near 3.0285; the bias goes slowly to 3.3188
      data: {dataset: line}
      model: {architecture: Linear, in_features: 1, out_features: 1}
      loss: mse
      optimizer: {kind: adam, lr: 0.1}
      batch_size: 15
      epochs: 100
      shuffle: false
      evaluation: {every: 10}
      """)
}

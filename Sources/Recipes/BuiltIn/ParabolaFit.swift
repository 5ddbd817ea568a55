extension BuiltInRecipe {
  /// w x^2 + b, its first step with the gradient of a pass before (system S08).
  static let parabolaFit = BuiltInRecipe(
    name: "parabola-fit", model: "w x^2 + b", seconds: 0.1,
    yaml: """
      name: parabola-fit
      expect: w 0.9263 and b 0.1602, thanks to the leftover gradient
      data: {dataset: parabola}
      model: {architecture: Parabola}
      loss: mse
      optimizer: {kind: sgd, lr: 0.1}
      batch_size: 100
      epochs: 20
      shuffle: false
      evaluation: {every: 20}
      leftover_gradient: true
      """)
}

extension BuiltInRecipe {
  /// x^2 walked down from 1 (system S07): the squared error of x against 0.
  static let parabolaDescent = BuiltInRecipe(
    name: "parabola-descent", model: "x", seconds: 0.1,
    yaml: """
      name: parabola-descent
      expect: x is 0.8, 0.64, ... 0.8^10 = 0.1074 after 10 steps
      data: {dataset: constant, input: 0, value: 0}
      model: {architecture: Point, start: 1}
      loss: mse
      optimizer: {kind: sgd, lr: 0.1}
      batch_size: 1
      epochs: 10
      shuffle: false
      evaluation: {every: 10}
      """)
}

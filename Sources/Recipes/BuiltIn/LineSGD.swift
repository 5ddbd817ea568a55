extension BuiltInRecipe {
  /// One step from the weights the notebook prints (system S09).
  static let lineSGD = BuiltInRecipe(
    name: "line-sgd", model: "1-1", seconds: 0.1,
    yaml: """
      name: line-sgd
      expect: loss 5064.906; after one step weight 28.8443, bias 1.2100
      data: {dataset: line}
      model:
        architecture: Linear
        in_features: 1
        out_features: 1
        initial: {weight: -0.2880, bias: -0.1145}
      loss: mse
      optimizer: {kind: sgd, lr: 0.01}
      batch_size: 15
      epochs: 1
      shuffle: false
      """)
}

extension BuiltInRecipe {
  /// One hidden node: one line cannot part disc and ring (system S15).
  static let ringsOne = BuiltInRecipe(
    name: "rings-1", model: "2-1-1 Sigmoid", seconds: 6.2,
    yaml: """
      name: rings-1
      expect: loss stays high, as one line cannot part disc and ring
      data: {dataset: rings}
      model:
        architecture: ClassifierNet
        inputs: 2
        outputs: 1
        hidden_layers: 1
        nodes: 1
        activation: Sigmoid
        output_activation: Sigmoid
      loss: bce
      optimizer: {kind: adam, lr: 0.001}
      batch_size: 2000
      epochs: 10000
      shuffle: false
      evaluation: {every: 1000}
      """)
}

extension BuiltInRecipe {
  /// Three hidden nodes, whose lines are a triangle around the disc (system S17).
  static let ringsThree = BuiltInRecipe(
    name: "rings-3", model: "2-3-1 Sigmoid", seconds: 6.5,
    yaml: """
      name: rings-3
      expect: loss suddenly far below rings-2, by a triangle around the disc
      data: {dataset: rings}
      model:
        architecture: ClassifierNet
        inputs: 2
        outputs: 1
        hidden_layers: 1
        nodes: 3
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

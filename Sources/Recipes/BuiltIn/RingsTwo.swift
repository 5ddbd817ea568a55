extension BuiltInRecipe {
  /// Two hidden nodes (system S16).
  static let ringsTwo = BuiltInRecipe(
    name: "rings-2", model: "2-2-1 Sigmoid", seconds: 6.8,
    yaml: """
      name: rings-2
      expect: better than rings-1; two lines leave the ring open
      data: {dataset: rings}
      model:
        architecture: ClassifierNet
        inputs: 2
        outputs: 1
        hidden_layers: 1
        nodes: 2
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

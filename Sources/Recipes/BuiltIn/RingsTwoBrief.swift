extension BuiltInRecipe {
  /// A disc in a ring, two hidden nodes, few epochs (system S14).
  static let ringsTwoBrief = BuiltInRecipe(
    name: "rings-2-brief", model: "2-2-1 Sigmoid", seconds: 0.1,
    yaml: """
      name: rings-2-brief
      expect: loss begins to fall; far too few epochs
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
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 2000
      epochs: 100
      shuffle: false
      evaluation: {every: 10}
      """)
}

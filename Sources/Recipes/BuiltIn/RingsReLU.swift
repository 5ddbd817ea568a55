extension BuiltInRecipe {
  /// Five ReLU nodes (system S18).
  static let ringsReLU = BuiltInRecipe(
    name: "rings-relu5", model: "2-5-1 ReLU, Sigmoid", seconds: 4.8,
    yaml: """
      name: rings-relu5
      expect: loss near 0
      data: {dataset: rings}
      model:
        architecture: ClassifierNet
        inputs: 2
        outputs: 1
        hidden_layers: 1
        nodes: 5
        activation: ReLU
        output_activation: Sigmoid
      loss: bce
      optimizer: {kind: adam, lr: 0.001}
      batch_size: 2000
      epochs: 10000
      shuffle: false
      evaluation: {every: 1000}
      """)
}

extension BuiltInRecipe {
  /// A damped wave by ten sigmoids (system S19; S20 with binary_threshold).
  static let wave = BuiltInRecipe(
    name: "wave", model: "1-10-1 Sigmoid", seconds: 1.3,
    yaml: """
      name: wave
      expect: the large left side of the wave fits, the right one hardly
      data: {dataset: wave}
      model:
        architecture: ClassifierNet
        inputs: 1
        outputs: 1
        hidden_layers: 1
        nodes: 10
        activation: Sigmoid
      loss: mse
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 200
      epochs: 20000
      shuffle: false
      evaluation: {every: 1000}
      """)
}

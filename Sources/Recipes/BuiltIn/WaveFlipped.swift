extension BuiltInRecipe {
  /// The wave in reverse (system S21; S22 with binary_threshold).
  static let waveFlipped = BuiltInRecipe(
    name: "wave-flipped", model: "1-10-1 Sigmoid", seconds: 0.9,
    yaml: """
      name: wave-flipped
      expect: the right side, now the large one, fits well
      data: {dataset: wave, flipped: true}
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
      epochs: 14000
      shuffle: false
      evaluation: {every: 1000}
      """)
}

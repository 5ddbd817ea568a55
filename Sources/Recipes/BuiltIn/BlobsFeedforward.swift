extension BuiltInRecipe {
  /// Forty points, and ten of other centers to test with (system S06).
  static let blobsFeedforward = BuiltInRecipe(
    name: "blobs-feedforward", model: "2-10-1 ReLU, Sigmoid", seconds: 0.1,
    yaml: """
      name: blobs-feedforward
      expect: training loss falls; the test points have other centers
      data: {dataset: blobs, count: 40, deviation: 1.5, binary: true, test_count: 10}
      model:
        class: Feedforward
        layers:
          - {layer: Linear, name: fc1, in_features: 2, out_features: 10}
          - {layer: ReLU, name: relu}
          - {layer: Linear, name: fc2, in_features: 10, out_features: 1}
          - {layer: Sigmoid, name: sigmoid}
      loss: bce
      optimizer: {kind: sgd, lr: 0.01}
      batch_size: 40
      epochs: 50
      shuffle: false
      evaluation: {every: 10}
      """)
}

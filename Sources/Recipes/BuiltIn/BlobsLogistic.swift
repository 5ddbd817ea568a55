extension BuiltInRecipe {
  /// Logistic regression on two clouds of points (system S11).
  static let blobsLogistic = BuiltInRecipe(
    name: "blobs-logistic", model: "2-1 Sigmoid", seconds: 0.1,
    yaml: """
      name: blobs-logistic
      expect: 99 of the 100 points right; number 62 is wrong
      data: {dataset: blobs, count: 100, centers: 2, center_box: [-3, 3], seed: 22, binary: true}
      model:
        layers:
          - {layer: Linear, in_features: 2, out_features: 1}
          - layer: Sigmoid
      loss: bce
      optimizer: {kind: sgd, lr: 0.1}
      batch_size: 100
      epochs: 100
      shuffle: false
      evaluation: {every: 10}
      """)
}

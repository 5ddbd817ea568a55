import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// What users bring: tables and recipes of their own.
extension Jobs {
  /// Runs nndist in the jobs' folder.
  /// - Parameter ranks: nil: without mpirun.
  func command(_ arguments: [String], ranks: Int? = nil) throws -> Outcome {
    guard let ranks else {
      return try run(["env", "-C", folder.path, nndist] + arguments)
    }
    return try mpirun(
      ["-wdir", folder.path, "-n", "\(ranks)", nndist] + arguments)
  }

  /// A table of animals with three numbers each, whose kinds overlap.
  /// - Parameters:
  ///   - columns: which, in this order.
  ///   - seed: another makes other animals.
  static func pets(
    _ count: Int, columns: [String] = ["weight", "height", "mood", "kind"], seed: UInt64 = 1
  ) -> String {
    let bytes = noise(4 * count, seed: seed).map(Int.init)
    let rows = (0..<count).map { row in
      let isDog = bytes[4 * row] % 2
      let values = [
        "weight": "\(40 * isDog + bytes[4 * row + 1] / 4)",
        "height": "\(Double(30 * isDog + bytes[4 * row + 2] / 4) / 2)",
        "mood": "\(bytes[4 * row + 3] - 128)e-2", "kind": isDog == 1 ? "dog" : "cat",
      ]
      return columns.map { values[$0]! }.joined(separator: ",")
    }
    return ([columns.joined(separator: ",")] + rows).map { $0 + "\n" }.joined()
  }

  /// A first recipe: three layers, two kinds.
  static let petsRecipe = """
    name: pets
    data:
      dataset: csv
      path: pets.csv
      target_column: kind
      standardize: feature
      split: {validation: 0.25}
    model:
      layers:
        - {layer: Linear, in_features: 3, out_features: 8}
        - layer: ReLU
        - {layer: Linear, in_features: 8, out_features: 6}
        - layer: ReLU
        - {layer: Linear, in_features: 6, out_features: 2}
    loss: cross-entropy
    optimizer: {kind: adam, lr: 0.01}
    batch_size: 20
    epochs: 3
    """

  /// Writes `pets.csv` and `pets.yaml`.
  func writePets(_ count: Int = 163) {
    folder.write("pets.csv", Jobs.pets(count))
    folder.write("pets.yaml", Jobs.petsRecipe)
  }

  /// A network with everything that is random or learned apart from gradients: batch normalization,
  /// dropout, augmentation, standardization.
  static let augmentedRecipe = """
    name: augmented
    data:
      dataset: idx
      path: data
      standardize: all
      augment: {shift: 2, rotate: 10, flip: true, noise: 0.1}
    model:
      layers:
        - {layer: Conv2d, in_channels: 1, out_channels: 4, kernel_size: 3, stride: 2}
        - {layer: BatchNorm2d, num_features: 4}
        - layer: ReLU
        - {layer: MaxPool2d, kernel_size: 2}
        - layer: Flatten
        - {layer: Dropout, p: 0.3}
        - {layer: Linear, in_features: 144, out_features: 16}
        - {layer: BatchNorm1d, num_features: 16}
        - layer: ReLU
        - {layer: Dropout, p: 0.5}
        - {layer: Linear, in_features: 16, out_features: 10}
    loss: {kind: cross-entropy, label_smoothing: 0.1}
    optimizer: {kind: adamw, lr: 0.01}
    schedule: one-cycle
    batch_size: 50
    epochs: 2
    """

  /// An autoencoder of a table, which is given noisy rows.
  static let denoisingRecipe = """
    name: denoising
    data:
      {dataset: csv, path: pets.csv, target_column: kind, target: input, corrupt: 0.2, standardize: feature}
    model:
      layers:
        - {layer: Linear, in_features: 3, out_features: 2}
        - layer: Tanh
        - {layer: Linear, in_features: 2, out_features: 3}
    loss: mse
    optimizer: {kind: rmsprop, lr: 0.01, momentum: 0.5}
    batch_size: 20
    epochs: 1
    """

  /// The lines of comma-separated output, cut up; the header first, and all as wide as it.
  static func table(_ outcome: Outcome) throws -> [[String]] {
    let rows = outcome.stdout.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    try #require(!rows.isEmpty && rows.allSatisfy { $0.count == rows[0].count }, "\(outcome)")
    return rows
  }
}

import Foundation
import TestSupport
import Testing

import enum Training.Safetensors

/// The small regression of Golden/training.py, with PyTorch's trajectories.
struct GoldenRegression: Decodable {
  struct Trajectory: Decodable {
    let initial: [String: [Double]]
    let losses, norms: [Double]
    let state: [String: [Double]]
  }

  let rows: [[String]]
  let clipped, pieces, whole: Trajectory

  static func read() throws -> GoldenRegression { try golden("training.json") }

  /// Writes `rows.csv` and `golden.yaml`: a network that begins with the trajectory's own weights.
  /// - Parameters:
  ///   - normalization: a layer behind the first, in YAML.
  ///   - more: lines of the recipe.
  func write(
    _ trajectory: Trajectory, in jobs: Jobs, rate: Double, normalization: String? = nil,
    _ more: [String]
  ) {
    let header = "a,b,c,d,y\n"
    jobs.folder.write(
      "rows.csv", header + rows.map { $0.joined(separator: ",") + "\n" }.joined())
    let names = trajectory.initial.keys.sorted()
    let initial = names.map { "\($0): \(trajectory.initial[$0]!)" }.joined(separator: ", ")
    jobs.folder.write(
      "golden.yaml",
      """
      name: golden
      data: {dataset: csv, path: rows.csv, target_column: y, target_kind: number}
      model:
        initial: {\(initial)}
        layers:
          - {layer: Linear, in_features: 4, out_features: 6}
      \(normalization.map { "    - \($0)\n" } ?? "")    - layer: Tanh
          - {layer: Linear, in_features: 6, out_features: 1}
      loss: mse
      optimizer: {kind: sgd, lr: \(rate), momentum: 0.9}
      batch_size: 9
      epochs: 3
      shuffle: false
      \(more.joined(separator: "\n"))
      """)
  }

  /// Trains `golden.yaml` into a run directory.
  func train(
    _ name: String, in jobs: Jobs, ranks: Int? = nil, _ more: [String],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try jobs.command(
      ["golden.yaml", "--run", name, "--eval-every", "0", "--log-every", "1"] + more, ranks: ranks)
    try #require(outcome.status == 0, "\(outcome)", sourceLocation: location)
  }

  /// Expects a run's losses, norms and final state to be PyTorch's.
  ///
  /// Within 1e-5 of each loss and norm, and of a tensor's largest element: some times what the script
  /// found float32's roundings to make of nine steps, as the shards add in another order.
  func expect(
    _ name: String, in jobs: Jobs, follows known: Trajectory,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let steps = try jobs.steps(name)
    expectClose(
      steps.map { Double($0.loss) }, known.losses, "loss", sourceLocation: location
    ) { 1e-5 * known.losses[$0] }
    expectClose(
      steps.map(\.gradNorm), known.norms, "grad_norm", sourceLocation: location
    ) { 1e-5 * known.norms[$0] }
    let tensors = try Safetensors.read(
      jobs.path(name) + "/checkpoints/latest/model.safetensors")
    #expect(Set(tensors.map(\.name)) == Set(known.state.keys), sourceLocation: location)
    for (name, tensor) in tensors {
      let values = try #require(known.state[name])
      let largest = values.map(abs).max()!
      expectClose(tensor.asDoubles, values, name, sourceLocation: location) { _ in 1e-5 * largest }
    }
  }
}

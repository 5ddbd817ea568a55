import NNDist

/// The whole command line for networks and data sets of one's own:
///
///     Examples train my.yaml
///
/// with my.yaml:
///
///     name: spirals
///     data: {dataset: spirals}
///     model: {architecture: BlockNet, width: 32}
///     loss: cross-entropy
///     optimizer: {kind: adam, lr: 0.01}
///     batch_size: 30
///     epochs: 10
func program() throws {
  try NNDistProgram.main(
    models: [
      "BlockNet": { options in
        BlockNet(
          inputs: 2, width: try options.int("width", default: 16, in: 1...4096),
          blocks: try options.int("blocks", default: 2, in: 0...64), outputs: 3)
      }
    ],
    datasets: ["spirals": { _ in .dataset(Spirals()) }])
}

import Layers
import Tensors

/// Layers that normalize, and dropout.
extension LayerKind {
  static let normalizing: [LayerKind] = [
    LayerKind(
      "BatchNorm1d", "Normalizes each feature over the batch.", batchNorm,
      module: {
        BatchNorm1d(
          $0.integer("num_features"), epsilon: $0.number("eps"),
          momentum: $0.optionalNumber("momentum"), affine: $0.flag("affine"),
          tracksStatistics: $0.flag("track_running_stats"), isSynchronized: $0.flag("sync"))
      }, shape: { try checkFeatures("BatchNorm1d", $0, $1, $2, axes: [1, 2]) }),
    LayerKind(
      "BatchNorm2d", "Normalizes each channel of images over the batch.", batchNorm,
      module: {
        BatchNorm2d(
          $0.integer("num_features"), epsilon: $0.number("eps"),
          momentum: $0.optionalNumber("momentum"), affine: $0.flag("affine"),
          tracksStatistics: $0.flag("track_running_stats"), isSynchronized: $0.flag("sync"))
      }, shape: { try checkFeatures("BatchNorm2d", $0, $1, $2, axes: [3]) }),
    LayerKind(
      "LayerNorm", "Normalizes each sample by itself over its last axes.",
      [
        Field("normalized_shape", .list(.count, count: nil), "The extents of those axes."),
        .number("eps", .nonNegative, 1e-5, "Added to the variance."),
        .flag("elementwise_affine", true, "Whether there are a weight and a bias."),
        .flag("bias", true, "Whether there is a bias beside the weight."),
      ],
      module: {
        LayerNorm(
          Shape($0.integers("normalized_shape")), epsilon: $0.number("eps"),
          affine: $0.flag("elementwise_affine"), bias: $0.flag("bias"))
      },
      shape: { arguments, shape, path in
        let own = arguments.integers("normalized_shape")
        guard shape.suffix(own.count) == own[...] else {
          throw RecipeProblem(
            path,
            "LayerNorm with normalized_shape \(own) gets \(shape) a sample; set it to the sample's "
              + "last extents")
        }
        return shape
      }),
    LayerKind(
      "Dropout", "In training, sets elements to 0 by chance and lets the others grow.",
      [.number("p", .fraction, 0.5, "The probability of 0.")],
      module: { Dropout($0.number("p")) }),
  ]

  private static let batchNorm: [Field] = [
    .count("num_features", "Features, or channels."),
    .number("eps", .nonNegative, 1e-5, "Added to the variance."),
    Field(
      "momentum", .optional(.number(.fraction)), .number(0.1),
      "The share of a batch in the running statistics; null averages all batches alike."),
    .flag("affine", true, "Whether there are a weight and a bias."),
    .flag("track_running_stats", true, "Whether evaluation uses running statistics."),
    .flag(
      "sync", false,
      "Whether the batch is the global one, as with PyTorch's SyncBatchNorm, and not a shard's part of it."
    ),
  ]

  private static func checkFeatures(
    _ layer: String, _ arguments: Arguments, _ shape: [Int], _ path: [String], axes: [Int]
  ) throws -> [Int] {
    let features = arguments.integer("num_features")
    guard axes.contains(shape.count) else {
      throw RecipeProblem(
        path,
        "\(layer) gets \(shape) a sample; "
          + (axes == [3]
            ? "it takes [channels, height, width]" : "it takes [features] or [features, length]"))
    }
    guard shape[0] == features else {
      throw RecipeProblem(
        path,
        "\(layer) with num_features \(features) gets \(shape) a sample; set num_features to "
          + "\(shape[0])")
    }
    return shape
  }
}

import Layers

/// Fully connected layers, and attention.
extension LayerKind {
  static let connected: [LayerKind] = [
    LayerKind(
      "Linear", "y = x W^T + b, over the last axis.",
      [
        .count("in_features", "Inputs of a sample."),
        .count("out_features", "Outputs of a sample."),
        .flag("bias", true, "Whether there is a b."),
      ],
      module: {
        Linear($0.integer("in_features"), $0.integer("out_features"), bias: $0.flag("bias"))
      },
      shape: { arguments, shape, path in
        let count = arguments.integer("in_features")
        guard shape.last == count else {
          let advice =
            switch shape.count {
            case 0: "put a View of shape [1] before it"
            case 1: "set in_features to \(shape[0])"
            default:
              "put a Flatten before it"
                + (elementCount(shape) == count
                  ? "" : " and set in_features to \(elementCount(shape))")
            }
          throw RecipeProblem(
            path, "Linear with in_features \(count) gets \(shape) a sample; \(advice)")
        }
        return shape.dropLast() + [arguments.integer("out_features")]
      }),
    LayerKind(
      "MultiheadAttention", "The attention of a sample's rows to each other.",
      [
        .count("embed_dim", "Features of a row."),
        .count("num_heads", "Heads, which share the features out."),
        .flag("bias", true, "Whether its projections have biases."),
      ],
      mistake: { arguments in
        let (features, heads) = (arguments.integer("embed_dim"), arguments.integer("num_heads"))
        return features % heads == 0
          ? nil : ("num_heads", "\(features) features cannot be shared between \(heads) heads")
      },
      module: {
        MultiheadAttention(
          $0.integer("embed_dim"), headCount: $0.integer("num_heads"), bias: $0.flag("bias"),
          isBatchFirst: true)
      },
      shape: { arguments, shape, path in
        let features = arguments.integer("embed_dim")
        guard shape.count == 2, shape[1] == features else {
          throw RecipeProblem(
            path,
            "MultiheadAttention with embed_dim \(features) gets \(shape) a sample; "
              + (shape.count == 2 ? "set embed_dim to \(shape[1])" : "it takes [rows, features]"))
        }
        return shape
      }),
  ]
}

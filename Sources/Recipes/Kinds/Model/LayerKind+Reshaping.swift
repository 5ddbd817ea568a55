import Layers

/// Layers that change shapes, and Sequential.
extension LayerKind {
  static let reshaping: [LayerKind] = [
    LayerKind(
      "Sequential", "Layers one after the other.",
      [Field("layers", list, "The layers, in order.")],
      mistake: { nameMistake($0.variants("layers")) },
      module: { sequential($0.variants("layers"), typeName: "Sequential") },
      shape: { try shape(after: $0.variants("layers"), $1, $2 + ["layers"]) }),
    LayerKind(
      "Flatten", "Axes start_dim through end_dim as one.",
      [
        Field("start_dim", .anyInteger, .integer(1), "The first axis; 0 is the batch's."),
        Field("end_dim", .anyInteger, .integer(-1), "The last axis; -1 is the last of all."),
      ],
      module: { Flatten(startAxis: $0.integer("start_dim"), endAxis: $0.integer("end_dim")) },
      shape: { arguments, shape, path in
        let (start, end) = (arguments.integer("start_dim"), arguments.integer("end_dim"))
        let count = shape.count + 1
        let first = start < 0 ? start + count : start
        let last = end < 0 ? end + count : end
        guard 1 <= first, first <= last, last < count else {
          throw RecipeProblem(
            path, "Flatten cannot join axes \(start) through \(end) of \(count), batch included")
        }
        var shape = shape
        shape[(first - 1)...(last - 1)] = [elementCount(Array(shape[(first - 1)...(last - 1)]))]
        return shape
      }),
    LayerKind(
      "Unflatten", "One axis as several.",
      [
        Field("dim", .anyInteger, "The axis; 0 is the batch's, -1 the last."),
        Field(
          "unflattened_size", .list(.integer(-1...ValueType.maximumCount), count: nil),
          "The extents it becomes; one of them may be -1: what is left."),
      ],
      mistake: { arguments in
        arguments.integers("unflattened_size").count { $0 == -1 } > 1
          ? ("unflattened_size", "only one extent can be -1, what is left") : nil
      },
      module: { Unflatten(axis: $0.integer("dim"), sizes: $0.integers("unflattened_size")) },
      shape: { arguments, shape, path in
        let axis = try index(of: arguments.integer("dim"), in: shape, "Unflatten", path)
        let sizes = arguments.integers("unflattened_size")
        let known = elementCount(sizes.filter { $0 != -1 })
        let hasFreeExtent = sizes.contains(-1)
        guard hasFreeExtent ? known > 0 && shape[axis] % known == 0 : known == shape[axis] else {
          throw RecipeProblem(
            path,
            "Unflatten to \(sizes) gets \(shape) a sample; the extents must multiply to \(shape[axis])"
          )
        }
        return shape[..<axis] + sizes.map { $0 == -1 ? shape[axis] / known : $0 }
          + shape[(axis + 1)...]
      }),
    LayerKind(
      "View", "Every sample under another shape; a function, which a printed module does not show.",
      [Field("shape", .list(.count, count: nil), "A sample's new shape; the batch axis stays.")],
      module: { View($0.integers("shape")) },
      shape: { arguments, shape, path in
        let target = arguments.integers("shape")
        guard elementCount(target) == elementCount(shape) else {
          throw RecipeProblem(
            path,
            "View of shape \(target) gets \(shape) a sample; it must have \(elementCount(shape)) "
              + "elements")
        }
        return target
      }),
  ]

  /// The index in the shape of a sample of an axis of the batch.
  static func index(of axis: Int, in shape: [Int], _ layer: String, _ path: [String]) throws -> Int
  {
    let index = axis < 0 ? axis + shape.count : axis - 1
    guard shape.indices.contains(index) else {
      throw RecipeProblem(
        path + ["dim"],
        "\(layer) gets \(shape) a sample; it has no axis \(axis) but the batch's"
          + (shape.isEmpty ? "" : ", 1 to \(shape.count)"))
    }
    return index
  }
}

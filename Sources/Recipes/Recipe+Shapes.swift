extension Recipe {
  /// What a sample of the data looks like to the network, and what the loss wants of it.
  static let sampleShape = [1, 28, 28]
  static let classCount = 10

  /// Follows a sample's shape through the network, so that layers that do not fit are an error of
  /// the recipe, before anything is loaded.
  /// - Throws: RecipeProblem at the layer that does not fit.
  func checkShapes() throws {
    let path: [any CodingKey] = [PathKey("model"), PathKey("layers")]
    let output = try Recipe.shape(after: model.layers, Recipe.sampleShape, path)
    guard output == [Recipe.classCount] else {
      throw RecipeProblem(
        path,
        "the network turns a sample into \(output), \(loss.rawValue) on \(data.dataset.rawValue) needs "
          + "[\(Recipe.classCount)], a score for each class")
    }
  }

  /// How many places a window has along each axis of an image.
  private static func windows(
    _ layer: String, _ image: [Int], _ kernel: Int, _ stride: Int, _ padding: Int,
    _ place: [any CodingKey]
  ) throws -> [Int] {
    try image[1...].map { extent in
      guard extent + 2 * padding >= kernel else {
        throw RecipeProblem(
          place, "\(layer) with kernel_size \(kernel) does not fit into \(image) a sample")
      }
      return (extent + 2 * padding - kernel) / stride + 1
    }
  }

  /// Shapes are of one sample, without the batch axis.
  private static func shape(
    after layers: [LayerSpec], _ input: [Int], _ path: [any CodingKey]
  ) throws -> [Int] {
    var shape = input
    for (index, layer) in layers.enumerated() {
      let place = path + [PathKey(index)]
      switch layer.kind {
      case .relu, .sigmoid, .tanh: break
      case .conv2d(let inChannels, let outChannels, let kernel, let stride, let padding, _):
        guard shape.count == 3, shape[0] == inChannels else {
          throw RecipeProblem(
            place,
            "Conv2d with in_channels \(inChannels) gets \(shape) a sample; "
              + (shape.count == 3
                ? "set in_channels to \(shape[0])" : "it takes [channels, height, width]"))
        }
        shape = [outChannels] + (try windows("Conv2d", shape, kernel, stride, padding, place))
      case .maxPool2d(let kernel, let stride):
        guard shape.count == 3 else {
          throw RecipeProblem(
            place, "MaxPool2d gets \(shape) a sample; it takes [channels, height, width]")
        }
        shape = [shape[0]] + (try windows("MaxPool2d", shape, kernel, stride ?? kernel, 0, place))
      case .sequential(let layers):
        shape = try Recipe.shape(after: layers, shape, place + [PathKey("layers")])
      case .linear(let inFeatures, let outFeatures, _):
        guard shape == [inFeatures] else {
          throw RecipeProblem(
            place,
            "Linear with in_features \(inFeatures) gets \(shape) a sample; "
              + (shape.count == 1 ? "set in_features to \(shape[0])" : "put a Flatten before it"))
        }
        shape = [outFeatures]
      case .flatten(let startAxis, let endAxis):
        // Axis 0 is the batch's.
        let count = shape.count + 1
        let first = startAxis < 0 ? startAxis + count : startAxis
        let last = endAxis < 0 ? endAxis + count : endAxis
        guard 1 <= first, first <= last, last < count else {
          throw RecipeProblem(
            place,
            "Flatten cannot join axes \(startAxis) through \(endAxis) of \(count), batch included")
        }
        shape[(first - 1)...(last - 1)] = [shape[(first - 1)...(last - 1)].reduce(1, *)]
      }
    }
    return shape
  }
}

private struct PathKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(_ name: String) { (stringValue, intValue) = (name, nil) }
  init(_ index: Int) { (stringValue, intValue) = (String(index), index) }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { self.init(intValue) }
}

import Layers
import Tensors

/// Layers for images [channels, height, width].
extension LayerKind {
  static let images: [LayerKind] = [
    LayerKind(
      "Conv2d", "The correlation of images with a kernel.",
      channels + [
        .pair("kernel_size", "The kernel's extents, in pixels."),
        .pair("stride", 1, "Pixels from one place of the kernel to the next."),
        .pair("padding", minimum: 0, 0, "Zeros put around the image, in pixels on each side."),
        .pair("dilation", 1, "Pixels from one row or column of the kernel to the next."),
        groups, bias,
      ],
      mistake: groupsMistake,
      module: {
        Conv2d(
          $0.integer("in_channels"), $0.integer("out_channels"), kernel: $0.pair("kernel_size"),
          stride: $0.pair("stride"), padding: $0.pair("padding"), dilation: $0.pair("dilation"),
          groups: $0.integer("groups"), bias: $0.flag("bias"))
      },
      shape: { arguments, shape, path in
        try checkChannels("Conv2d", arguments, shape, path)
        return [arguments.integer("out_channels")]
          + (try windowPositions(
            "Conv2d", shape, kernel: arguments.pair("kernel_size"),
            stride: arguments.pair("stride"),
            padding: arguments.pair("padding"), dilation: arguments.pair("dilation"), path))
      }),
    LayerKind(
      "ConvTranspose2d", "The transposed convolution, which makes images larger.",
      channels + [
        .pair("kernel_size", "The kernel's extents, in pixels."),
        .pair("stride", 1, "Pixels of the output from one place of the kernel to the next."),
        .pair("padding", minimum: 0, 0, "Pixels cut off on each side of the output."),
        .pair("output_padding", minimum: 0, 0, "Pixels added at the output's end."),
        groups, bias,
        .pair("dilation", 1, "Pixels from one row or column of the kernel to the next."),
      ],
      mistake: { arguments in
        let (extra, stride) = (arguments.pair("output_padding"), arguments.pair("stride"))
        let dilation = arguments.pair("dilation")
        guard
          extra.height < max(stride.height, dilation.height),
          extra.width < max(stride.width, dilation.width)
        else { return ("output_padding", "it must be less than the stride or the dilation") }
        return groupsMistake(arguments)
      },
      module: {
        ConvTranspose2d(
          $0.integer("in_channels"), $0.integer("out_channels"), kernel: $0.pair("kernel_size"),
          stride: $0.pair("stride"), padding: $0.pair("padding"),
          outputPadding: $0.pair("output_padding"), groups: $0.integer("groups"),
          bias: $0.flag("bias"), dilation: $0.pair("dilation"))
      },
      shape: { arguments, shape, path in
        try checkChannels("ConvTranspose2d", arguments, shape, path)
        let extents = zip(shape[1...], axes).map { extent, axis in
          func of(_ key: String) -> Int { arguments.pair(key)[keyPath: axis] }
          return (extent - 1) * of("stride") - 2 * of("padding")
            + of("dilation") * (of("kernel_size") - 1) + of("output_padding") + 1
        }
        guard extents.allSatisfy({ (1...ValueType.maximumCount).contains($0) }) else {
          throw RecipeProblem(
            path,
            "ConvTranspose2d makes \(extents) of \(shape) a sample; use "
              + (extents.min()! < 1 ? "less padding" : "a smaller stride"))
        }
        return [arguments.integer("out_channels")] + extents
      }),
    LayerKind(
      "MaxPool2d", "The largest element under a window that moves over each channel.", pooling,
      mistake: paddingMistake,
      module: {
        MaxPool2d(
          $0.pair("kernel_size"), stride: $0.optionalPair("stride"), padding: $0.pair("padding"))
      }, shape: { try pooled("MaxPool2d", $0, $1, $2) }),
    LayerKind(
      "AvgPool2d", "The mean under a window that moves over each channel.",
      pooling + [.flag("count_include_pad", true, "Whether padding counts as zeros.")],
      mistake: paddingMistake,
      module: {
        AvgPool2d(
          $0.pair("kernel_size"), stride: $0.optionalPair("stride"), padding: $0.pair("padding"),
          countsPadding: $0.flag("count_include_pad"))
      }, shape: { try pooled("AvgPool2d", $0, $1, $2) }),
    LayerKind(
      "AdaptiveAvgPool2d", "The means of windows that share each channel out.",
      [.pair("output_size", "Windows along each axis.")],
      module: { AdaptiveAvgPool2d($0.pair("output_size")) },
      shape: { arguments, shape, path in
        try checkImage("AdaptiveAvgPool2d", shape, path)
        let size = arguments.pair("output_size")
        return [shape[0], size.height, size.width]
      }),
  ]

  private static var axes: [KeyPath<HeightWidth, Int>] { [\.height, \.width] }

  private static let channels: [Field] = [
    .count("in_channels", "Channels of the input."),
    .count("out_channels", "Channels of the output."),
  ]
  private static let groups = Field.count(
    "groups", 1, "Groups of channels that have nothing to do with each other.")
  private static let bias = Field.flag("bias", true, "Whether each output channel has a bias.")
  private static let pooling: [Field] = [
    .pair("kernel_size", "The window's extents, in pixels."),
    .optional(
      "stride", .pair(minimum: 1),
      "Pixels from one place of the window to the next; null: the kernel's."),
    .pair("padding", minimum: 0, 0, "Pixels put around the image on each side."),
  ]

  @Sendable private static func groupsMistake(_ arguments: Arguments) -> (
    key: String, what: String
  )? {
    let groups = arguments.integer("groups")
    for key in ["in_channels", "out_channels"] where arguments.integer(key) % groups != 0 {
      return (
        "groups", "\(groups) groups cannot share out \(key) \(arguments.integer(key)) evenly"
      )
    }
    return nil
  }

  @Sendable private static func paddingMistake(_ arguments: Arguments) -> (
    key: String, what: String
  )? {
    let (padding, kernel) = (arguments.pair("padding"), arguments.pair("kernel_size"))
    return padding.height <= kernel.height / 2 && padding.width <= kernel.width / 2
      ? nil : ("padding", "it must be at most half of kernel_size")
  }

  private static func checkImage(_ layer: String, _ shape: [Int], _ path: [String]) throws {
    guard shape.count == 3 else {
      throw RecipeProblem(
        path, "\(layer) gets \(shape) a sample; it takes [channels, height, width]")
    }
  }

  private static func checkChannels(
    _ layer: String, _ arguments: Arguments, _ shape: [Int], _ path: [String]
  ) throws {
    let channels = arguments.integer("in_channels")
    guard shape.count == 3, shape[0] == channels else {
      throw RecipeProblem(
        path,
        "\(layer) with in_channels \(channels) gets \(shape) a sample; "
          + (shape.count == 3
            ? "set in_channels to \(shape[0])" : "it takes [channels, height, width]"))
    }
  }

  private static func pooled(
    _ layer: String, _ arguments: Arguments, _ shape: [Int], _ path: [String]
  ) throws -> [Int] {
    try checkImage(layer, shape, path)
    let kernel = arguments.pair("kernel_size")
    return [shape[0]]
      + (try windowPositions(
        layer, shape, kernel: kernel, stride: arguments.optionalPair("stride") ?? kernel,
        padding: arguments.pair("padding"), dilation: 1, path))
  }

  /// The number of positions of a window along each axis of an image.
  private static func windowPositions(
    _ layer: String, _ image: [Int], kernel: HeightWidth, stride: HeightWidth,
    padding: HeightWidth, dilation: HeightWidth, _ path: [String]
  ) throws -> [Int] {
    try zip(image[1...], axes).map { extent, axis in
      let kernelExtent = dilation[keyPath: axis] * (kernel[keyPath: axis] - 1) + 1
      let padded = extent + 2 * padding[keyPath: axis]
      guard padded >= kernelExtent else {
        let size = kernel.height == kernel.width ? "\(kernel.height)" : "\(kernel)"
        throw RecipeProblem(
          path,
          "\(layer) with kernel_size \(size) does not fit into \(image) a sample; use a smaller "
            + "kernel, more padding or fewer poolings before it")
      }
      return (padded - kernelExtent) / stride[keyPath: axis] + 1
    }
  }
}

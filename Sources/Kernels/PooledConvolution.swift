import CKernels
import Tensors

/// A convolution followed by 2 x 2 max pooling, for images with the channels innermost. The output
/// of the convolution is never stored as a whole.
public struct PooledConvolution {
  package let shape: ConvolutionShape
  private let precision: Precision
  /// The number of images that oneDNN convolves at a time, so that their output stays in the core's
  /// own cache. It depends only on the shape, because the bits of the weight's gradient depend on
  /// the blocks.
  private let block: Int

  /// The most bytes that a block's output may take: a second-level cache has 1 MiB or more.
  private static let blockBytes = 768 << 10

  /// nil where the operands need `convolve` and `maxPool` instead.
  /// - Parameters:
  ///   - x: `shape.inputShape`, from `convolutionInput`.
  ///   - window, stride, padding: the pooling's.
  public init?(
    _ x: Tensor, _ shape: ConvolutionShape, window: HeightWidth, stride: HeightWidth,
    padding: HeightWidth, precision: Precision
  ) {
    guard takesChannelsLast(x, shape), window == 2, stride == 2, padding == 0,
      shape.outChannels > 1, min(shape.output.height, shape.output.width) >= 2
    else { return nil }
    self.shape = shape
    self.precision = precision
    let imageBytes = shape.outChannels * shape.output.product * MemoryLayout<Float>.stride
    let blockCount = (shape.batch * imageBytes + Self.blockBytes - 1) / Self.blockBytes
    block = (shape.batch + blockCount - 1) / blockCount
  }

  /// Whether CKernels' kernels compute this. Else oneDNN computes the whole output, and its bits
  /// depend on the instruction set.
  private var hasKernel: Bool { shape.dilation == 1 }

  /// x for CKernels' kernels, which multiply float32, also of operands rounded to bfloat16. The
  /// products that they skip save more time than products of bfloat16 would.
  private func operand(_ x: Tensor) -> Tensor { precision == .bf16 ? roundedToBF16(x) : x }

  var pooledShape: Shape {
    [shape.batch, shape.outChannels, shape.output.height / 2, shape.output.width / 2]
  }

  private func eachBlock(_ body: (_ start: Int, _ shape: ConvolutionShape) -> Void) {
    for start in stride(from: 0, to: shape.batch, by: block) {
      body(start, shape.withBatch(min(block, shape.batch - start)))
    }
  }

  private func images(_ x: Tensor, _ start: Int, _ shape: ConvolutionShape) -> Tensor {
    shape.batch == x.shape[0] ? x : x.slicedView(axis: 0, start: start, count: shape.batch)
  }

  /// - Returns: what `maxPool` of `convolve` returns.
  public func forward(_ x: Tensor, _ weight: Tensor, bias: Tensor?) -> (y: Tensor, places: Tensor) {
    if hasKernel {
      return forward(operand(x), operand(weight), bias: bias, on: instructionSet)
    }
    let y = Tensor(uninitializedChannelsLast: pooledShape)
    let places = Tensor(uninitializedChannelsLast: pooledShape, .int32)
    eachBlock { start, part in
      let whole = convolve(images(x, start, part), weight, bias: bias, part, precision: precision)
      let first = start * y.strides[0]
      clocked {
        nd_max_pool_2x2_channels_last(
          y.floats + first, places.pointer(Int32.self) + first, whole.floats, part.batch,
          part.output.height, part.output.width, part.outChannels)
      }
    }
    return (y, places)
  }

  /// The bias's gradient. Windows do not overlap, so it is the sum of dy.
  /// - dy: of the pooled result.
  public func biasGradient(_ dy: Tensor, into destination: Tensor?) -> Tensor {
    channelSums(dy.channelsLast(), into: destination)
  }

  /// dx and dweight; nil where not requested.
  /// - Parameters:
  ///   - dy: of the pooled result.
  ///   - places: from `forward`.
  ///   - destination: receives dweight; nil: a new tensor.
  public func gradients(
    _ dy: Tensor, places: Tensor, _ x: Tensor, _ weight: Tensor, wantsInput: Bool,
    wantsWeight: Bool, into destination: Tensor?
  ) -> (input: Tensor?, weight: Tensor?) {
    let dy = dy.channelsLast()
    if hasKernel {
      let roundedDy = operand(dy)
      let dx =
        wantsInput
        ? inputGradient(roundedDy, places: places, operand(weight), on: instructionSet) : nil
      let dw =
        wantsWeight
        ? weightGradient(
          roundedDy, places: places, operand(x), into: destination, on: instructionSet)
        : nil
      return (dx, dw)
    }
    return denseGradients(
      dy, places: places, x, weight, wantsInput: wantsInput, wantsWeight: wantsWeight,
      into: destination)
  }

  private func denseGradients(
    _ dy: Tensor, places: Tensor, _ x: Tensor, _ weight: Tensor, wantsInput: Bool,
    wantsWeight: Bool, into destination: Tensor?
  ) -> (input: Tensor?, weight: Tensor?) {
    let dx = wantsInput ? Tensor(uninitializedChannelsLast: shape.inputShape) : nil
    var dw: Tensor?
    eachBlock { start, part in
      let whole = Tensor(uninitializedChannelsLast: part.outputShape)
      let first = start * dy.strides[0]
      clocked {
        nd_max_pool_2x2_channels_last_backward(
          whole.floats, dy.floats + first, places.pointer(Int32.self) + first, part.batch,
          part.output.height, part.output.width, part.outChannels)
      }
      if wantsWeight {
        let images = images(x, start, part)
        if let sum = dw {
          let more = convolutionWeightGradient(images, whole, part, precision: precision)
          clocked { nd_add_into(sum.floats, more.floats, sum.elementCount) }
        } else {
          dw = convolutionWeightGradient(
            images, whole, part, into: destination, precision: precision)
        }
      }
      if let dx {
        _ = convolutionInputGradient(
          whole, weight, part, into: images(dx, start, part), precision: precision)
      }
    }
    return (dx, dw)
  }
}

import CKernels
import TensorCore

// The gradients from the elements of dy that are not 0 alone: of the convolution's output's gradient they
// are one in four, or fewer where what was pooled is rectified.

extension PooledConvolution {
  /// dx, each element one chain of fused multiply-adds in the order that ckernels.h names.
  /// - dy, places: of the pooled result, channels last.
  package func inputGradient(
    _ dy: Tensor, places: Tensor, _ weight: Tensor, on set: nd_instruction_set = instructionSet
  ) -> Tensor {
    let dx = Tensor(uninitializedChannelsLast: shape.inputShape)
    let weight = weight.contiguous()
    withExtendedLifetime((dy, places, weight)) {
      count(
        clocked {
          var p = description(dy, places)
          return nd_pooled_convolution_input_gradient(&p, dx.floats, weight.floats, set)
        })
    }
    return dx
  }

  /// dweight, likewise.
  /// - destination: nil makes a new tensor.
  package func weightGradient(
    _ dy: Tensor, places: Tensor, _ x: Tensor, into destination: Tensor?,
    on set: nd_instruction_set = instructionSet
  ) -> Tensor {
    let dw = result("conv2dMaxPooled dw", shape.weightShape, .float32, into: destination)
    withExtendedLifetime((dy, places, x)) {
      count(
        clocked {
          var p = description(dy, places)
          return nd_pooled_convolution_weight_gradient(&p, dw.floats, x.floats, set)
        })
    }
    return dw
  }

  private func description(_ dy: Tensor, _ places: Tensor) -> nd_pooled_convolution {
    require(
      dy.shape == pooledShape && places.shape == pooledShape && dy.isChannelsLast
        && places.isChannelsLast,
      "conv2dMaxPooled backward: dy of shape \(dy.shape) for \(pooledShape)")
    var p = nd_pooled_convolution()
    (p.images, p.height, p.width) = (shape.batch, shape.input.height, shape.input.width)
    (p.in_channels, p.out_channels) = (shape.inChannels, shape.outChannels)
    (p.rows, p.columns) = (pooledShape[2], pooledShape[3])
    p.out_width = shape.output.width
    (p.kernel_height, p.kernel_width) = (shape.kernel.height, shape.kernel.width)
    (p.stride_height, p.stride_width) = (shape.stride.height, shape.stride.width)
    (p.padding_height, p.padding_width) = (shape.padding.height, shape.padding.width)
    p.dy = UnsafePointer(dy.floats)
    p.places = UnsafePointer(places.pointer(Int32.self))
    let scratchCount = nd_pooled_convolution_scratch_count(&p)
    p.scratch = KernelContext.current.scratch(scratchCount * MemoryLayout<Float>.size)
      .assumingMemoryBound(to: Float.self)
    return p
  }

  /// A multiplication and an addition for each element of a patch.
  private func count(_ entries: Int) {
    KernelContext.current.operations &+= 2 * entries * shape.inChannels * shape.kernel.product
  }
}

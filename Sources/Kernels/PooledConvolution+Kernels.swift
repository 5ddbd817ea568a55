import CKernels
import System
import Tensors

// CKernels' kernels. The forward pass computes only elements under windows, and keeps only the
// largest of each. The backward passes visit only the elements of dy that are not 0. They are one
// in four elements of the gradient of the convolution's output, or fewer where ReLU follows.
//
// Each sum is one chain of fused multiply-adds in the order that ckernels.h states, so the bits are
// the same on every instruction set.

extension PooledConvolution {
  /// - Parameters:
  ///   - x: `shape.inputShape`, channels last.
  ///   - bias: [O], or nil.
  package func forward(
    _ x: Tensor, _ weight: Tensor, bias: Tensor?, on set: nd_instruction_set
  ) -> (y: Tensor, places: Tensor) {
    let y = Tensor(uninitializedChannelsLast: pooledShape)
    let places = Tensor(uninitializedChannelsLast: pooledShape, .int32)
    let (weight, bias) = (weight.contiguous(), bias?.contiguous())
    keepingAlive(x, weight, bias) {
      clocked {
        var p = description
        p.scratch = scratch(nd_pooled_convolution_forward_scratch_count(&p))
        nd_pooled_convolution_forward(
          &p, y.floats, places.pointer(Int32.self), x.floats, weight.floats, bias?.floats, set)
      }
    }
    count(4 * y.elementCount)
    return (y, places)
  }

  /// - dy, places: of the pooled result, channels last.
  package func inputGradient(
    _ dy: Tensor, places: Tensor, _ weight: Tensor, on set: nd_instruction_set
  ) -> Tensor {
    requirePooled(dy, places)
    let dx = Tensor(uninitializedChannelsLast: shape.inputShape)
    let weight = weight.contiguous()
    let entries = keepingAlive(dy, places, weight) {
      clocked {
        var p = description
        p.scratch = scratch(nd_pooled_convolution_backward_scratch_count(&p))
        return nd_pooled_convolution_input_gradient(
          &p, dx.floats, weight.floats, dy.floats, places.pointer(Int32.self), set)
      }
    }
    count(entries)
    return dx
  }

  /// - destination: receives the gradient; nil: a new tensor.
  package func weightGradient(
    _ dy: Tensor, places: Tensor, _ x: Tensor, into destination: Tensor?,
    on set: nd_instruction_set
  ) -> Tensor {
    requirePooled(dy, places)
    let dw = result("conv2dMaxPooled dw", shape.weightShape, .float32, into: destination)
    let entries = keepingAlive(dy, places, x) {
      clocked {
        var p = description
        p.scratch = scratch(nd_pooled_convolution_backward_scratch_count(&p))
        return nd_pooled_convolution_weight_gradient(
          &p, dw.floats, x.floats, dy.floats, places.pointer(Int32.self), set)
      }
    }
    count(entries)
    return dw
  }

  private func requirePooled(_ dy: Tensor, _ places: Tensor) {
    require(
      dy.shape == pooledShape && places.shape == pooledShape && dy.isChannelsLast
        && places.isChannelsLast,
      "conv2dMaxPooled backward: dy of shape \(dy.shape) for \(pooledShape)")
  }

  private var description: nd_pooled_convolution {
    var p = nd_pooled_convolution()
    (p.images, p.height, p.width) = (shape.batch, shape.input.height, shape.input.width)
    (p.in_channels, p.out_channels) = (shape.inChannels, shape.outChannels)
    (p.rows, p.columns) = (pooledShape[2], pooledShape[3])
    p.out_width = shape.output.width
    (p.kernel_height, p.kernel_width) = (shape.kernel.height, shape.kernel.width)
    (p.stride_height, p.stride_width) = (shape.stride.height, shape.stride.width)
    (p.padding_height, p.padding_width) = (shape.padding.height, shape.padding.width)
    return p
  }

  private func scratch(_ count: Int) -> UnsafeMutablePointer<Float> {
    KernelContext.current.scratch(count * MemoryLayout<Float>.size)
      .assumingMemoryBound(to: Float.self)
  }

  /// - patches: the number of patches that were visited.
  private func count(_ patches: Int) {
    KernelContext.current.count(
      multiplications: shape.multiplications,
      computed: patches * shape.inChannels * shape.kernel.product)
  }
}

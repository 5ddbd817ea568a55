import Kernels
import System
import Tensors

/// y = x / (1 - rate) where the element is kept, else 0;  dx = dy / (1 - rate) there, else 0.
///
/// An element is kept with probability 1 - rate. The decision is a function of (seed, step, sample,
/// layer) and of the element's position in the sample, so it depends neither on shards nor on
/// threads.
/// - x: [N, ...], one row for each sample of the key.  Returns x's shape.
/// - Precondition: 0 <= rate <= 1.
public func dropout(_ x: Tensor, rate: Double, key: RandomKey) -> Tensor {
  require(rate >= 0 && rate <= 1, "dropout: the rate must be in 0 ... 1, not \(rate)")
  let mask = Kernels.dropoutMask(x.shape, rate: rate, key: key)
  let scale = rate < 1 ? 1 / (1 - rate) : 0
  return record("dropout", inputs: [x], value: Kernels.masked(x.value, mask, scale: scale)) { dy in
    [Kernels.masked(dy, mask, scale: scale)]
  }
}

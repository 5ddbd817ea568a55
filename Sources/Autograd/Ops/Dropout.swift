import Kernels
import System
import Tensors

/// y = x / (1 - rate) where the element stays, else 0;  dx = dy likewise. An element stays with
/// probability 1 - rate, by the number counted by (seed, step, sample, layer) and its place in the
/// sample, so that neither shards nor threads change which.
/// - x: [N, ...], a row for each of the key's samples.  Returns x's shape.
/// - Precondition: 0 <= rate <= 1.
public func dropout(_ x: Tensor, rate: Double, key: RandomKey) -> Tensor {
  require(rate >= 0 && rate <= 1, "dropout: the rate must be in 0 ... 1, not \(rate)")
  let mask = Kernels.dropoutMask(x.shape, rate: rate, key: key)
  let scale = rate < 1 ? 1 / (1 - rate) : 0
  return record("dropout", inputs: [x], value: Kernels.masked(x.value, mask, scale: scale)) { dy in
    [Kernels.masked(dy, mask, scale: scale)]
  }
}

import System
import Tensors

/// The mask of kept elements. Each is kept with probability 1 - rate: element i of a sample's row
/// is kept if the random number in 0 ..< 1 of (seed, step, sample, layer) and counter i is at least
/// `rate`.
/// - shape: [N, ...], a row for each of the key's samples.
/// - Returns: bool, `shape`.
public func dropoutMask(_ shape: Shape, rate: Double, key: RandomKey) -> Tensor {
  require(
    shape.count > 0 && shape[0] == key.samples.count,
    "dropout: an input of shape \(shape) for a key of \(key.samples.count) samples; the first axis "
      + "is the samples'")
  let mask = Tensor(uninitialized: shape, .bool)
  let flags = mask.pointer(Bool.self)
  let width = shape.dropFirst().reduce(1, *)
  let limit = UInt64((rate * 0x1p32).rounded())
  for row in key.samples.indices {
    let random = key.numbers(row: row, purpose: "dropout")
    for start in stride(from: 0, to: width, by: 4) {
      let words = random.block(UInt64(start / 4))
      for i in 0..<min(4, width - start) {
        flags[row * width + start + i] = UInt64(words[i]) >= limit
      }
    }
  }
  return mask
}

/// x where `mask` is true, times `scale`; 0 elsewhere.
public func masked(_ x: Tensor, _ mask: Tensor, scale: Double) -> Tensor {
  withReal(
    "dropout", x.dtype,
    { zipElements("dropout", x, mask) { (v: Float, stays: Bool) in stays ? v * Float(scale) : 0 } },
    { zipElements("dropout", x, mask) { (v: Double, stays: Bool) in stays ? v * scale : 0 } })
}

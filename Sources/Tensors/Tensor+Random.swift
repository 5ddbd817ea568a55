import Glibc
import System

// Random tensors from a counter-based generator: element i is a function of (seed, purpose, i)
// alone, so the same call gives the same tensor on every rank, thread and run. Two tensors that
// should differ need different purposes or seeds.

extension Tensor {
  /// Uniform random numbers in 0 ..< 1. For float32, element i is the upper 24 bits of word i of
  /// the random stream, times 2^-24. For float64, it is the upper 53 bits of words 2i (low) and 2i
  /// + 1 (high), times 2^-53.
  public static func rand(
    _ shape: Shape, seed: UInt64, purpose: String, _ dtype: DType = .float32
  ) -> Tensor {
    let words = CountedWords(seed: seed, purpose: purpose)
    switch dtype {
    case .float32: return generated(shape, dtype) { Double(words.word($0) >> 8) * 0x1p-24 }
    case .float64: return generated(shape, dtype) { Double(words.wide($0) >> 11) * 0x1p-53 }
    default: fatalError("rand: needs float32 or float64, not \(dtype); use randint")
    }
  }

  /// Standard normal random numbers, by Box and Muller (Annals of Mathematical Statistics 29,
  /// 1958). Elements 2j and 2j + 1 are r cos a and r sin a, r = sqrt(-2 ln u), a = 2 pi v, where u
  /// in (0, 1] and v in [0, 1) come from the random stream: float32 uses words 2j and 2j + 1, 24
  /// bits each; float64 uses the 64-bit words 2j and 2j + 1, 53 bits each. Computed in double, with
  /// libm.
  public static func randn(
    _ shape: Shape, seed: UInt64, purpose: String, _ dtype: DType = .float32
  ) -> Tensor {
    require(
      dtype.isFloatingPoint, "randn: needs float32 or float64, not \(dtype); convert the result")
    let words = CountedWords(seed: seed, purpose: purpose)
    return generated(shape, dtype) { i in
      let first = i & ~1
      let u: Double
      let v: Double
      if dtype == .float32 {
        u = (Double(words.word(first) >> 8) + 1) * 0x1p-24
        v = Double(words.word(first + 1) >> 8) * 0x1p-24
      } else {
        u = (Double(words.wide(first) >> 11) + 1) * 0x1p-53
        v = Double(words.wide(first + 1) >> 11) * 0x1p-53
      }
      let (radius, angle) = ((-2 * log(u)).squareRoot(), 2 * .pi * v)
      return radius * (i == first ? cos(angle) : sin(angle))
    }
  }

  /// Random whole numbers in `range`: int64. Element i is range.lowerBound + the upper half of the
  /// 128-bit product of 64-bit word i and the length of the range (a bias below length / 2^64).
  public static func randint(
    _ range: Range<Int>, _ shape: Shape, seed: UInt64, purpose: String
  ) -> Tensor {
    require(!range.isEmpty, "randint: the range \(range) is empty")
    let words = CountedWords(seed: seed, purpose: purpose)
    return Tensor(
      (0..<shape.elementCount).map { i in
        let product = words.wide(i).multipliedFullWidth(by: UInt64(range.count))
        return Int64(range.lowerBound) + Int64(product.high)
      }, shape: shape)
  }

  /// A random permutation of 0 ..< count, from `CountedRandom.permutation`: int64.
  public static func randperm(_ count: Int, seed: UInt64, purpose: String) -> Tensor {
    Tensor(CountedRandom(seed: seed, purpose: purpose).permutation(count).map { Int64($0) })
  }
}

/// Access to the words of a random stream by their index. A block has four words.
private struct CountedWords {
  let random: CountedRandom

  init(seed: UInt64, purpose: String) { random = CountedRandom(seed: seed, purpose: purpose) }

  func word(_ index: Int) -> UInt32 { random.block(UInt64(index / 4))[index % 4] }

  /// 64-bit word `index`: 32-bit words 2 index (low) and 2 index + 1 (high).
  func wide(_ index: Int) -> UInt64 {
    let block = random.block(UInt64(index / 2))
    let low = index % 2 * 2
    return UInt64(block[low + 1]) << 32 | UInt64(block[low])
  }
}

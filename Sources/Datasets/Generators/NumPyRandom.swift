import Glibc
import Tensors

/// NumPy's legacy generator, `np.random.seed(seed)` and `np.random.RandomState(seed)`, equal to the
/// bit: the Mersenne Twister (Matsumoto and Nishimura 1998) and the distributions that NumPy froze
/// (NEP 19; numpy/random/mtrand.pyx and legacy-distributions.c of NumPy 2).
///
/// A NumPy call with `size=n` draws the same numbers as n single calls. The numbers are the same on
/// every host, except for the last bit of Glibc's `log`, which normal numbers use.
package struct NumPyRandom: Sendable {
  private static let length = 624
  private var key: [UInt32]
  private var position = NumPyRandom.length
  /// The polar method gives two normal numbers; the second is kept for the next call.
  private var cachedNormal: Double?

  /// - Parameter seed: as in NumPy, 0 ..< 2^32.
  package init(seed: UInt32) {
    var value = seed
    key = (0..<UInt32(NumPyRandom.length)).map { i in
      defer { value = 1_812_433_253 &* (value ^ value >> 30) &+ i &+ 1 }
      return value
    }
  }

  /// A random number in 0 ..< 2^32.
  mutating func nextUInt32() -> UInt32 {
    if position == NumPyRandom.length { refill() }
    var y = key[position]
    position += 1
    y ^= y >> 11
    y ^= y << 7 & 0x9d2c_5680
    y ^= y << 15 & 0xefc6_0000
    return y ^ y >> 18
  }

  /// A random number of 64 bits: two draws, the upper half first.
  mutating func nextUInt64() -> UInt64 {
    let upper = UInt64(nextUInt32())
    return upper << 32 | UInt64(nextUInt32())
  }

  private mutating func refill() {
    let n = NumPyRandom.length
    for i in 0..<n {
      let y = key[i] & 0x8000_0000 | key[(i + 1) % n] & 0x7fff_ffff
      key[i] = key[(i + 397) % n] ^ y >> 1 ^ (y & 1 == 0 ? 0 : 0x9908_b0df)
    }
    position = 0
  }
}

// MARK: - Real numbers

extension NumPyRandom {
  /// `random_sample()`: a multiple of 2^-53 in 0 ..< 1.
  package mutating func randomSample() -> Double {
    let a = Double(nextUInt32() >> 5)
    let b = Double(nextUInt32() >> 6)
    return (a * 67_108_864 + b) / 9_007_199_254_740_992
  }

  /// `uniform(low, high)`: low + (high - low) u.
  package mutating func uniform(low: Double = 0, high: Double = 1) -> Double {
    low + (high - low) * randomSample()
  }

  /// `standard_normal()`: Marsaglia's polar method, with its two numbers in NumPy's order.
  package mutating func standardNormal() -> Double {
    if let cached = cachedNormal {
      cachedNormal = nil
      return cached
    }
    while true {
      let x = 2 * randomSample() - 1
      let y = 2 * randomSample() - 1
      let square = x * x + y * y
      if square >= 1 || square == 0 { continue }
      let factor = (-2 * log(square) / square).squareRoot()
      cachedNormal = factor * x
      return factor * y
    }
  }

  /// `normal(mean, deviation)`: mean + deviation z.
  package mutating func normal(mean: Double = 0, deviation: Double = 1) -> Double {
    mean + deviation * standardNormal()
  }
}

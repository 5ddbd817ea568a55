import System

/// A counter-based random number generator. A value is a function of (seed, purpose, index) alone,
/// so there is no generator state to store, save or protect from data races.
///
/// Philox 4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1,
/// 2, 3", SC 2011): the seed is the key; the counter consists of the index and of a 64-bit stream
/// number, a hash of the purpose.
public struct CountedRandom: Sendable {
  public let seed: UInt64
  public let stream: UInt64

  /// - Parameters:
  ///   - seed: the recipe's seed.
  ///   - purpose: what the numbers are for, such as "permutation" or a parameter's name.
  ///   - numbers: distinguish uses with the same purpose, such as epoch and shard.
  public init(seed: UInt64, purpose: String, _ numbers: Int...) {
    self.seed = seed
    // FNV-1a, 64 bits. Not Hasher, which differs in each process: the same recipe must give the
    // same bits.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func mix(_ byte: UInt8) {
      hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
    for byte in purpose.utf8 { mix(byte) }
    for number in numbers {
      mix(0xff)  // never in UTF-8 text: ("a1", 2) and ("a", 12) get different streams
      for shift in stride(from: 0, to: 64, by: 8) {
        mix(UInt8(truncatingIfNeeded: UInt64(bitPattern: Int64(number)) >> UInt64(shift)))
      }
    }
    stream = hash
  }

  /// The four 32-bit words of block `index`.
  @inlinable
  public func block(_ index: UInt64) -> SIMD4<UInt32> {
    CountedRandom.philox(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
        UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)),
      key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  /// Philox 4x32 with 10 rounds: four random words for a counter and a key.
  @inlinable
  public static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var k = key
    for round in 0..<10 {
      if round > 0 { k = k &+ SIMD2(0x9E37_79B9, 0xBB67_AE85) }
      let p = UInt64(c[0]) &* 0xD251_1F53
      let q = UInt64(c[2]) &* 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: q >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: q),
        UInt32(truncatingIfNeeded: p >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: p))
    }
    return c
  }

  /// A float32 in 0 ..< 1, one of 2^24 equally spaced values, at `index`.
  @inlinable
  public func uniform(_ index: Int) -> Float {
    let word = block(UInt64(index / 4))[index % 4]
    return Float(word >> 8) * 0x1p-24
  }

  /// A permutation of 0 ..< count (Fisher-Yates; bounds by a 64-bit product, whose bias is below
  /// count / 2^64).
  public func permutation(_ count: Int) -> [Int32] {
    require(count <= Int(Int32.max), "a permutation of \(count) does not fit 32-bit indices")
    var order = (0..<Int32(count)).map { $0 }
    order.withUnsafeMutableBufferPointer { order in
      var words = SIMD4<UInt32>()
      for (draw, i) in stride(from: count - 1, to: 0, by: -1).enumerated() {
        if draw % 2 == 0 { words = block(UInt64(draw / 2)) }
        let low = draw % 2 == 0 ? words[0] : words[2]
        let high = draw % 2 == 0 ? words[1] : words[3]
        let wide = (UInt64(high) << 32 | UInt64(low)).multipliedFullWidth(by: UInt64(i + 1))
        order.swapAt(i, Int(wide.high))
      }
    }
    return order
  }
}

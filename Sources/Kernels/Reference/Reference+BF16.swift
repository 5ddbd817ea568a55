import Glibc

extension Reference {
  /// x rounded to bfloat16: to the nearest, ties to even; denormals to 0, not a number to a quiet one.
  public static func roundedToBF16(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    if !x.isNormal && x.isFinite { return x.sign == .minus ? -0.0 : 0 }
    // Half of what is cut off, and 1 more where the last bit that stays is odd.
    let bits = x.bitPattern + 0x7fff + (x.bitPattern >> 16 & 1)
    return Float(bitPattern: bits & 0xffff_0000)
  }

  /// a b + c, rounded once to float32 as if its exponents had no lower end, and to 0 where that is below
  /// its normal numbers: a multiply-add that flushes denormals.
  /// - Precondition: a and b are bfloat16; none is denormal.
  static func flushedMultiplyAdd(_ a: Float, _ b: Float, _ c: Float) -> Float {
    let sum = fma(a, b, c)
    let least = Float.leastNormalMagnitude
    if sum.isNaN || sum.magnitude > least { return sum }
    let zero: Float = sum.sign == .minus ? -0.0 : 0
    if sum.magnitude < least { return zero }
    // Rounded up to the least normal number where denormals lie as far apart as normal numbers above;
    // from here on it is nearer than the normal number that would be below.
    let exact = (Double(a) * Double(b) + Double(c)).magnitude
    return exact < Double(least) * (1 - 0x1p-25) ? zero : sum
  }

  /// c[M, N] = a[M, K] b[K, N] (+ bias[N]), all row-major, with a and b rounded to bfloat16, in the order
  /// of vdpbf16ps: of each pair of k the second product first, by fused multiply-adds in which
  /// denormals are 0.
  public static func matmulBF16(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?,
    _ c: UnsafeMutablePointer<Float>, m: Int, n: Int, k: Int
  ) {
    let a = (0..<m * k).map { roundedToBF16(a[$0]) }
    let b = (0..<k * n).map { roundedToBF16(b[$0]) }
    for row in 0..<m {
      for column in 0..<n {
        var sum: Float = 0
        for i in stride(from: 0, to: k, by: 2) {
          // Beside an odd last one lies 0, whose product with 0 is added.
          let (second, other) = i + 1 < k ? (a[row * k + i + 1], b[(i + 1) * n + column]) : (0, 0)
          sum = flushedMultiplyAdd(second, other, sum)
          sum = flushedMultiplyAdd(a[row * k + i], b[i * n + column], sum)
        }
        sum += 0  // never -0, whether or not products of 0 came last
        if let bias { sum = flushedMultiplyAdd(sum, 1, flushed(bias[column])) }
        c[row * n + column] = sum
      }
    }
  }

  private static func flushed(_ x: Float) -> Float {
    x.isSubnormal ? (x.sign == .minus ? -0.0 : 0) : x
  }
}

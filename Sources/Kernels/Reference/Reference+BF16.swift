import Glibc

extension Reference {
  /// x rounded to bfloat16: to the nearest, ties to even; denormals to 0, and NaN to a quiet NaN.
  public static func roundedToBF16(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    if !x.isNormal && x.isFinite { return x.sign == .minus ? -0.0 : 0 }
    // Adds half of the last kept bit, less 1, and 1 more where that bit is odd; then truncates.
    let bits = x.bitPattern + 0x7fff + (x.bitPattern >> 16 & 1)
    return Float(bitPattern: bits & 0xffff_0000)
  }

  /// a b + c by a multiply-add that flushes denormals: rounded once to float32 as if its exponents
  /// had no lower limit, and then to 0 if the result is below the normal numbers.
  /// - Precondition: a and b are bfloat16; none is denormal.
  static func flushedMultiplyAdd(_ a: Float, _ b: Float, _ c: Float) -> Float {
    let sum = fma(a, b, c)
    let smallest = Float.leastNormalMagnitude
    if sum.isNaN || sum.magnitude > smallest { return sum }
    let zero: Float = sum.sign == .minus ? -0.0 : 0
    if sum.magnitude < smallest { return zero }
    // fma rounded to the smallest normal number, with the spacing of denormals. With an unlimited
    // exponent, numbers below it are twice as dense, and the exact sum may be nearer to one of
    // those. It is not from this bound on.
    let exact = (Double(a) * Double(b) + Double(c)).magnitude
    return exact < Double(smallest) * (1 - 0x1p-25) ? zero : sum
  }

  /// c[M, N] = a[M, K] b[K, N] (+ bias[N]), all row-major, with a and b rounded to bfloat16, in the
  /// order of vdpbf16ps: of each pair of k the second product first, by fused multiply-adds in
  /// which denormals are 0.
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
          // An odd last element is paired with 0, and the product of 0 and 0 is added.
          let (second, other) = i + 1 < k ? (a[row * k + i + 1], b[(i + 1) * n + column]) : (0, 0)
          sum = flushedMultiplyAdd(second, other, sum)
          sum = flushedMultiplyAdd(a[row * k + i], b[i * n + column], sum)
        }
        sum += 0  // turns -0 into +0, so that products of 0 may be skipped
        if let bias { sum = flushedMultiplyAdd(sum, 1, flushed(bias[column])) }
        c[row * n + column] = sum
      }
    }
  }

  private static func flushed(_ x: Float) -> Float {
    x.isSubnormal ? (x.sign == .minus ? -0.0 : 0) : x
  }
}

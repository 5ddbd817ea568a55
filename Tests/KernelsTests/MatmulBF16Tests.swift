import CKernels
import Kernels
import Tensors
import TestSupport
import Testing

/// The bfloat16 product has the bits of vdpbf16ps, even on processors without that instruction.
struct MatmulBF16Tests {
  private static let rows = [1, 2, 4, 5, 8, 9, 11, 12, 13, 25, 64, 191, 193]
  private static let columns = [1, 7, 8, 9, 15, 16, 17, 33, 48, 63, 65, 130]
  /// Extents near the ends of pairs, of registers of pairs and of blocks (528).
  private static let depths = [1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 100, 527, 529]

  private func reference(_ a: [Float], _ b: [Float], _ bias: [Float]?, m: Int, n: Int, k: Int)
    -> Tensor
  {
    let c = Tensor(zeros: [m, n])
    Reference.matmulBF16(a, b, bias, c.pointer(Float.self), m: m, n: n, k: k)
    return c
  }

  private func expectReferenceBits(
    _ a: [Float], _ b: [Float], _ bias: [Float]?, m: Int, n: Int, k: Int, onAVX512: Bool,
    transposes: [Bool], _ draws: Draws
  ) {
    let left = Tensor(a, shape: [m, k])
    let right = Tensor(b, shape: [k, n])
    let c = matmul(
      transposes[0] ? left.transposedView.copied().transposedView : left,
      transposes[1] ? right.transposedView.copied().transposedView : right,
      bias: bias.map { Tensor($0, shape: [n]) }, onAVX512: onAVX512, precision: .bf16)
    guard let c else { return }
    let expected = reference(a, b, bias, m: m, n: n, k: k)
    #expect(c.bits == expected.bits, "m \(m) n \(n) k \(k) \(transposes), \(draws)")
  }

  @Test(
    .enabled(
      if: nd_matmul_bf16_best_set() == nd_avx512_bf16, "this processor has no AVX512_BF16"))
  func instructionMatchesTheReferenceBitForBit() { expectReferenceBits(onAVX512: true) }

  @Test(.enabled(if: nd_matmul_bf16_best_set() != nd_none, "this processor has no AVX2"))
  func emulationMatchesTheReferenceBitForBit() { expectReferenceBits(onAVX512: false) }

  /// A large a with few columns of b, and a large b with few rows of a, in one block of k and in
  /// several.
  @Test(.enabled(if: nd_matmul_bf16_best_set() != nd_none, "this processor has no AVX2"))
  func largeOperandsMatchTheReferenceBitForBit() {
    for (number, (m, n, k)) in [
      (509, 9, 2113), (1400, 31, 750), (1100, 64, 1057), (8, 65, 16_200), (17, 513, 2050),
      (32, 128, 8201),
    ].enumerated() {
      for onAVX512 in [false, true] {
        var draws = Draws(case: number)
        expectReferenceBits(
          draws.floats(m * k), draws.floats(k * n), draws.floats(n), m: m, n: n, k: k,
          onAVX512: onAVX512, transposes: [m <= 32, false], draws)
      }
    }
  }

  private func expectReferenceBits(onAVX512: Bool) {
    for number in 0..<150 {
      var draws = Draws(case: number)
      let (m, n) = (draws.pick(Self.rows), draws.pick(Self.columns))
      let k = draws.pick(Self.depths)
      expectReferenceBits(
        draws.floats(m * k), draws.floats(k * n),
        draws.pick([true, false]) ? draws.floats(n) : nil,
        m: m, n: n, k: k, onAVX512: onAVX512,
        transposes: [draws.pick([true, false]), draws.pick([true, false])], draws)
    }
    for number in 0..<300 {
      var draws = Draws(case: number)
      let (m, n, k) = (draws.int(1...14), draws.int(1...70), draws.int(1...5))
      expectReferenceBits(
        wild(m * k, &draws), wild(k * n, &draws), wild(n, &draws), m: m, n: n, k: k,
        onAVX512: onAVX512,
        transposes: [draws.pick([true, false]), draws.pick([true, false])], draws)
    }
    // Sums near the smallest normal number, where results are rounded and flushed.
    for number in 0..<300 {
      var draws = Draws(case: number)
      func small(_ count: Int) -> [Float] {
        (0..<count).map { _ in
          let significand = 1 + Float(draws.int(0...127)) / 128
          return draws.pick([1, -1])
            * Float(sign: .plus, exponent: draws.int(-72 ... -60), significand: significand)
        }
      }
      let (m, n, k) = (8, 64, draws.int(1...4))
      let bias = (0..<n).map { _ in
        Float(bitPattern: UInt32(draws.pick([0, 1 << 31]) + 0x80_0000 + draws.int(-3...3)))
      }
      expectReferenceBits(
        small(m * k), small(k * n), bias, m: m, n: n, k: k, onAVX512: onAVX512,
        transposes: [false, false], draws)
    }
  }

  /// Products of networks of a few nodes: many rows of few elements, and few elements of many
  /// products each.
  @Test(.enabled(if: nd_matmul_bf16_best_set() != nd_none, "this processor has no AVX2"))
  func productsOfFewColumnsMatchTheReferenceBitForBit() {
    for number in 0..<256 {
      var draws = Draws(case: number)
      let (narrow, n) = (number % 4 + 1, number / 4 % 4 + 1)
      let long = draws.pick([1, 2, 7, 15, 16, 17, 100, 101])
      let (m, k) = number / 16 % 2 == 0 ? (long, narrow) : (narrow, long)
      let hasWildBits = number / 32 % 2 == 0
      let a = hasWildBits ? wild(m * k, &draws) : draws.floats(m * k)
      let b = hasWildBits ? wild(k * n, &draws) : draws.floats(k * n)
      expectReferenceBits(
        a, b, draws.pick([true, false]) ? draws.floats(n) : nil, m: m, n: n, k: k,
        onAVX512: draws.pick([true, false]),
        transposes: [draws.pick([true, false]), draws.pick([true, false])], draws)
    }
  }

  /// Random bits: infinities, NaNs, denormals, and ties of rounding.
  private func wild(_ count: Int, _ draws: inout Draws) -> [Float] {
    (0..<count).map { _ in
      let word = UInt32(truncatingIfNeeded: draws.word())
      return Float(bitPattern: draws.pick([word, word & 0xffff_8000, word & 0x807f_ffff]))
    }
  }

  /// By hand: 1 + 2^-8 is halfway between two bfloat16 numbers and rounds to the even one, 1.
  /// 1 + 3 * 2^-8 rounds to 1 + 2^-6.
  @Test func operandsAreRoundedAndSumsAreNot() {
    let a = Tensor([1 + 0x1p-8, 1 + 0x3p-8, 0x1p-20] as [Float], shape: [1, 3])
    let b = Tensor([1, 1, 1] as [Float], shape: [3, 1])
    let c = matmul(a, b, precision: .bf16)
    #expect(c.values(Float.self) == [2 + 0x1p-6 + 0x1p-20])
    // The control register is restored: denormals are not flushed here.
    let denormal = Float.leastNonzeroMagnitude
    #expect(
      matmul(Tensor([denormal], shape: [1, 1]), Tensor([1 as Float], shape: [1, 1])).item()
        == Double(denormal))
  }

  @Test func bitsDoNotDependOnOtherRowsOrColumns() {
    var draws = Draws(case: 1)
    let (m, n, k) = (64, 130, 785)
    let a = Tensor(draws.floats(m * k), shape: [m, k])
    let b = Tensor(draws.floats(n * k), shape: [n, k])
    let whole = matmul(a, b.transposedView, precision: .bf16)
    for (row, rows) in [(0, 1), (3, 32), (63, 1), (17, 30)] {
      let part = matmul(
        a.slicedView(axis: 0, start: row, count: rows), b.transposedView, precision: .bf16)
      #expect(part.bits == whole.slicedView(axis: 0, start: row, count: rows).copied().bits)
    }
    for (column, columns) in [(0, 1), (5, 64), (129, 1), (10, 100)] {
      let part = matmul(
        a, b.slicedView(axis: 0, start: column, count: columns).transposedView, precision: .bf16)
      #expect(
        part.bits == whole.slicedView(axis: 1, start: column, count: columns).copied().bits)
    }
  }
}

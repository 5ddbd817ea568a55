import Kernels
import Tensors
import TestSupport
import Testing

/// Products of 0 are skipped where that is faster, and this changes no bit.
@Suite(.enabled(if: !matmulBitsDependOnExtents, "this processor has no fused multiply-add"))
struct MatmulSparseTests {
  /// All products of the chain, none skipped.
  private func chain(_ a: [Float], _ b: [Float], _ bias: [Float]?, m: Int, n: Int, k: Int)
    -> [Float]
  {
    (0..<m * n).map { i in
      let sum = (0..<k).reduce(Float(0)) { $0.addingProduct(a[i / n * k + $1], b[$1 * n + i % n]) }
      return bias.map { sum + 0 + $0[i % n] } ?? sum + 0
    }
  }

  private func expectSame(_ c: Tensor, _ expected: [Float], _ what: String) {
    let differ = zip(c.bits, expected).enumerated().filter { _, pair in
      pair.0 != pair.1.bitPattern && !(Float(bitPattern: pair.0).isNaN && pair.1.isNaN)
    }
    #expect(c.elementCount == expected.count && differ.isEmpty, "\(differ.prefix(3)) \(what)")
  }

  /// The result of `body` and the number of multiply-adds that it computes.
  private func made(_ body: () -> Tensor?) -> (Tensor?, Int) {
    let before = KernelClock.operationsComputed
    let c = body()
    return (c, (KernelClock.operationsComputed - before) / 2)
  }

  /// Extents near the ends of parts of k (64, and 256 of them; in bfloat16 pairs of it), of blocks
  /// of rows (256) and of panels (128 columns, or 256).
  private static let rows = [16, 64, 65, 100, 255, 257, 300]
  private static let columns = [64, 65, 100, 127, 129, 200, 300]
  private static let depths = [63, 64, 65, 100, 257, 600]

  @Test(arguments: [true, false])
  func skippedProductsChangeNoBit(onAVX512: Bool) {
    var skippedCount = 0
    for number in 0..<60 {
      var draws = Draws(case: number)
      let (m, n) = (draws.pick(Self.rows), draws.pick(Self.columns))
      let k = draws.pick(Self.depths)
      let density = draws.pick([0, 1, 3, 5, 9])
      let a = draws.floats(m * k).map { draws.int(0...9) < density ? $0 : draws.pick([0, -0.0]) }
      var b = draws.floats(k * n)
      // Their products with 0 are NaN.
      if number % 3 == 0 { b[draws.int(0...b.count - 1)] = draws.pick([.infinity, .nan]) }
      let bias = draws.pick([true, false]) ? draws.floats(n) : nil
      let transposes = [draws.pick([true, false]), draws.pick([true, false])]
      let (left, right) = (Tensor(a, shape: [m, k]), Tensor(b, shape: [k, n]))

      let (c, count) = made {
        matmul(
          transposes[0] ? left.transposedView.copied().transposedView : left,
          transposes[1] ? right.transposedView.copied().transposedView : right,
          bias: bias.map { Tensor($0, shape: [n]) }, onAVX512: onAVX512)
      }
      guard let c else { return }  // this processor does not have the set
      let what = "m \(m) n \(n) k \(k) density \(density) \(transposes), \(draws)"
      expectSame(c, chain(a, b, bias, m: m, n: n, k: k), what)
      let nonzeros = a.filter { $0 != 0 }.count
      #expect(count == m * n * k || count == nonzeros * n, "\(count) \(what)")
      if count < m * n * k { skippedCount += 1 }
    }
    #expect(skippedCount > 20, "products with skipped terms")
  }

  /// In bfloat16 a pair of k is skipped where both of its elements round to 0.
  @Test(arguments: [true, false])
  func skippedPairsChangeNoBit(onAVX512: Bool) {
    var skippedCount = 0
    for number in 0..<40 {
      var draws = Draws(case: number)
      let (m, n) = (draws.pick(Self.rows), draws.pick(Self.columns))
      let k = draws.pick(Self.depths)
      let density = draws.pick([0, 2, 5])
      let zeros: [Float] = [0, -0.0, 1e-42]
      let a = draws.floats(m * k).map { draws.int(0...9) < density ? $0 : draws.pick(zeros) }
      var b = draws.floats(k * n)
      if number % 3 == 0 { b[draws.int(0...b.count - 1)] = draws.pick([.infinity, .nan]) }
      let bias = draws.pick([true, false]) ? draws.floats(n) : nil
      let transposes = [draws.pick([true, false]), draws.pick([true, false])]
      let (left, right) = (Tensor(a, shape: [m, k]), Tensor(b, shape: [k, n]))

      let (c, count) = made {
        matmul(
          transposes[0] ? left.transposedView.copied().transposedView : left,
          transposes[1] ? right.transposedView.copied().transposedView : right,
          bias: bias.map { Tensor($0, shape: [n]) }, onAVX512: onAVX512, precision: .bf16)
      }
      guard let c else { return }  // this processor does not have the set
      var expected = [Float](repeating: 0, count: m * n)
      Reference.matmulBF16(a, b, bias, &expected, m: m, n: n, k: k)
      expectSame(c, expected, "m \(m) n \(n) k \(k) density \(density) \(transposes), \(draws)")
      if count < m * n * k { skippedCount += 1 }
    }
    #expect(skippedCount > 15, "products with skipped terms")
  }

  /// Products too small for float32 round to 0 with their sign, with or without a next product of
  /// 0.
  @Test func noSumIsMinusZero() {
    let (m, n, k) = (64, 64, 64)
    for holes in [0, 1] {
      // The last product of every second row is -1e-60, with or without a product of 0 after it.
      let a = (0..<m * k).map { $0 % k == k - 1 - holes ? Float(1e-30) : 0 }
      let b = [Float](repeating: -1e-30, count: k * n)
      for (left, right) in [(1, n), (m, n), (m, 1), (2, 2)] {
        let c = matmul(
          Tensor(Array(a.prefix(left * k)), shape: [left, k]),
          Tensor(Array(b.prefix(k * right)), shape: [k, right]))
        #expect(c.bits.allSatisfy { $0 == 0 }, "\(left) x \(right), \(holes)")
      }
    }
  }
}

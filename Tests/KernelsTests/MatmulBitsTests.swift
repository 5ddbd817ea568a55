import Kernels
import System
import Tensors
import TestSupport
import Testing

/// Each element of a product is one chain of fused multiply-adds in the order of k, so its bits
/// depend on nothing else.
struct MatmulBitsTests {
  /// The chain itself: `addingProduct` rounds once, and a sum of -0 becomes +0.
  private func chain(_ a: [Float], _ b: [Float], _ bias: [Float]?, m: Int, n: Int, k: Int)
    -> [UInt32]
  {
    (0..<m * n).map { i in
      let sum = (0..<k).reduce(Float(0)) { $0.addingProduct(a[i / n * k + $1], b[$1 * n + i % n]) }
      return (bias.map { sum + 0 + $0[i % n] } ?? sum + 0).bitPattern
    }
  }

  /// Extents near the ends of tiles, of blocks of rows (192) and of k (264), and near the limit
  /// below which products are too narrow for tiles (4).
  private static let rows = [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 24, 25, 64, 191, 193, 200]
  private static let columns = [
    1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 48, 50, 63, 64, 65, 129, 140,
  ]
  private static let depths = [1, 2, 3, 4, 5, 16, 17, 64, 263, 264, 265, 300, 530]

  @Test(arguments: [true, false])
  func everyElementIsOneChainOnEveryInstructionSet(onAVX512: Bool) {
    for number in 0..<400 {
      var draws = Draws(case: number)
      let (m, n) = (draws.pick(Self.rows), draws.pick(Self.columns))
      let k = draws.pick(Self.depths)
      let (a, b) = (draws.floats(m * k), draws.floats(k * n))
      let bias = draws.pick([true, false]) ? draws.floats(n) : nil
      let left = Tensor(a, shape: [m, k])
      let right = Tensor(b, shape: [k, n])
      let transposes = [draws.pick([true, false]), draws.pick([true, false])]

      let c = matmul(
        transposes[0] ? left.transposedView.copied().transposedView : left,
        transposes[1] ? right.transposedView.copied().transposedView : right,
        bias: bias.map { Tensor($0, shape: [n]) }, onAVX512: onAVX512)

      guard let c else { return }  // this processor does not have the set
      #expect(
        c.bits == chain(a, b, bias, m: m, n: n, k: k),
        "m \(m) n \(n) k \(k) \(transposes), \(draws)")
    }
  }

  /// A rectified product has the bits of `relu` of the product, in every kernel.
  @Test func rectifiedProductsMatchReluBitForBit() {
    for number in 0..<300 {
      var draws = Draws(case: number)
      let (m, n) = (draws.pick(Self.rows), draws.pick(Self.columns))
      let k = draws.pick([0] + Self.depths)
      func matrix(_ rows: Int, _ columns: Int) -> Tensor {
        // Whole numbers, so that some sums are 0 or -0.
        let values = (0..<rows * columns).map { _ in Float(draws.int(-1...1)) }
        let matrix = Tensor(values, shape: [rows, columns])
        return draws.pick([true, false]) ? matrix : matrix.transposedView.copied().transposedView
      }
      let (a, b) = (matrix(m, k), matrix(k, n))
      if k > 0 { a.pointer(Float.self).pointee = draws.pick([.nan, .infinity, -0.0]) }
      let bias = draws.pick([true, false]) ? Tensor(draws.floats(n), shape: [n]) : nil
      let what = "m \(m) n \(n) k \(k), \(draws)"
      for precision in Precision.allCases {
        let plain = matmul(a, b, bias: bias, precision: precision)
        let rectified = matmul(a, b, bias: bias, precision: precision, isRectified: true)
        #expect(rectified.bits == relu(plain).bits, "\(precision) \(what)")
        guard k > 0, let other = matmul(a, b, bias: bias, onAVX512: false, precision: precision)
        else { continue }
        let both = matmul(
          a, b, bias: bias, onAVX512: false, precision: precision, isRectified: true)
        #expect(both?.bits == relu(other).bits, "\(precision) \(what)")
      }
      let (x, y) = (converted(a, to: .float64), converted(b, to: .float64))
      expectClose(
        matmul(x, y, isRectified: true), relu(matmul(x, y)).asDoubles, shape: [m, n], what
      ) { _ in 0 }
    }
  }

  /// Each of the narrow kernels, for many rows of few elements and for few elements of long chains.
  @Test(.enabled(if: !matmulBitsDependOnExtents, "this processor has no fused multiply-add"))
  func narrowProductsAreTheSameChains() {
    for number in 0..<64 {
      var draws = Draws(case: number)
      let (first, second) = (1 + number % 4, 1 + number / 4 % 4)
      let long = [1, 2, 15, 300][number / 16]
      for (m, n, k) in [(long, first, second), (first, second, long)] {
        let (a, b) = (draws.floats(m * k), draws.floats(k * n))
        let bias = draws.pick([true, false]) ? draws.floats(n) : nil
        let added = bias.map { Tensor($0, shape: [n]) }
        let c = Guarded([m, n], at: number % 16)
        let (left, right) = (draws.laidOut(a, shape: [m, k]), draws.laidOut(b, shape: [k, n]))
        _ = matmul(left, right, bias: added, into: c.tensor)
        #expect(
          c.tensor.bits == chain(a, b, bias, m: m, n: n, k: k) && c.guardsAreIntact,
          "m \(m) n \(n) k \(k), \(draws)")
      }
    }
  }

  @Test(
    .enabled(if: !matmulBitsDependOnExtents, "this processor has no fused multiply-add"),
    arguments: [Precision.float32, .bf16])
  func tinyProductsWithColumnSumsHaveTheBitsOfBoth(precision: Precision) throws {
    for number in 0..<64 {
      var draws = Draws(case: number)
      let (m, n, k) = (1 + number % 4, 1 + number / 4 % 4, [1, 7, 300, 2000][number / 16])
      let a = Tensor(draws.floats(k * m), shape: [k, m])
      let b = Tensor(draws.floats(k * n), shape: [k, n])
      let (product, sums) = try #require(
        tinyProductAndColumnSums(a, b, into: nil, sums: nil, precision: precision))
      #expect(
        product.bits == matmul(a.transposedView, b, precision: precision).bits,
        "m \(m) n \(n) k \(k), \(draws)")
      #expect(sums.bits == columnSums(a).bits, "m \(m) k \(k), \(draws)")
    }
    let wide = Tensor(zeros: [3, 5])
    #expect(
      tinyProductAndColumnSums(wide, wide, into: nil, sums: nil, precision: precision) == nil)
  }

  /// In bfloat16 the product flushes denormals, but the sums do not.
  @Test(.enabled(if: !matmulBitsDependOnExtents, "this processor has no fused multiply-add"))
  func sumsThatMayBeDenormalAreNotFlushed() throws {
    let b = Tensor([1, 1] as [Float], shape: [2, 1])
    func sums(_ x: Float, _ y: Float) -> Tensor? {
      tinyProductAndColumnSums(
        Tensor([x, y], shape: [2, 1]), b, into: nil, sums: nil, precision: .bf16)?.sums
    }
    // The smallest numbers without denormal sums: their differences are at least 2^-126, the
    // smallest normal number.
    let least: Float = 0x1p-103
    let difference = try #require(sums(least.nextUp, -least))
    #expect(difference.values(Float.self) == [0x1p-126])
    #expect(sums(0, -least) != nil)
    #expect(sums(least.nextDown, -least) == nil)
    #expect(sums(1, Float.leastNonzeroMagnitude) == nil)
  }

  /// An operand that is too large for the caches and is prefetched: the outputs (a) and weight
  /// gradients (b) of a narrow layer for a large batch, with all kinds of remainders.
  @Test(arguments: [true, false])
  func chainIsTheSameForLargeOperands(onAVX512: Bool) {
    let shapes = [
      (1402, 16, 784), (1411, 10, 800), (2200, 17, 500), (16, 100, 10_600), (5, 66, 16_001),
    ]
    for (number, (m, n, k)) in shapes.enumerated() {
      #expect(m * k >= 1 << 20 || k * n >= 1 << 20)
      var draws = Draws(case: number)
      let (a, b) = (draws.floats(m * k), draws.floats(k * n))
      // The layouts of training: the weight is transposed for outputs, and dy for gradients.
      let left = Tensor(a, shape: [m, k])
      let c = matmul(
        m > k ? left : left.transposedView.copied().transposedView, Tensor(b, shape: [k, n]),
        bias: nil, onAVX512: onAVX512)
      guard let c else { return }  // this processor does not have the set
      #expect(c.bits == chain(a, b, nil, m: m, n: n, k: k), "m \(m) n \(n) k \(k)")
    }
  }

  @Test(.enabled(if: !matmulBitsDependOnExtents, "this processor has no fused multiply-add"))
  func bitsDoNotDependOnOtherRowsOrColumns() {
    var draws = Draws(case: 1)
    let (m, n, k) = (64, 130, 784)
    let a = Tensor(draws.floats(m * k), shape: [m, k])
    let b = Tensor(draws.floats(n * k), shape: [n, k])
    let whole = matmul(a, b.transposedView)
    for (row, rows) in [(0, 1), (3, 32), (63, 1), (17, 30)] {
      let part = matmul(a.slicedView(axis: 0, start: row, count: rows), b.transposedView)
      #expect(part.bits == whole.slicedView(axis: 0, start: row, count: rows).copied().bits)
    }
    for (column, columns) in [(0, 1), (5, 64), (129, 1), (10, 100)] {
      let part = matmul(a, b.slicedView(axis: 0, start: column, count: columns).transposedView)
      #expect(
        part.bits == whole.slicedView(axis: 1, start: column, count: columns).copied().bits)
    }
  }
}

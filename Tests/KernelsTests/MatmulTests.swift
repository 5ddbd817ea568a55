import Kernels
import Tensors
import TestSupport
import Testing

struct MatmulTests {
  /// The roundoff of one float32 operation.
  private static let u = 0x1p-24

  /// a b (+ bias) in double, and the largest error of a float32 result.
  ///
  /// A sum of k products in float32, in any order, fused or not, is off by at most
  /// k u / (1 - k u) times the sum of |a||b| (Higham, Accuracy and Stability, 3.1); the bias is one
  /// more addition. The error of double is negligible.
  private func judge(
    _ a: [Float], _ b: [Float], _ bias: [Float]?, m: Int, n: Int, k: Int
  ) -> (values: [Double], tolerance: [Double]) {
    func product(_ a: [Double], _ b: [Double], _ bias: [Double]?) -> [Double] {
      var c = [Double](repeating: .nan, count: m * n)
      Reference.matmul(a, b, bias, &c, m: m, n: n, k: k)
      return c
    }
    let (a, b, bias) = (a.map(Double.init), b.map(Double.init), bias?.map(Double.init))
    let magnitude = product(a.map(abs), b.map(abs), bias?.map(abs))
    let steps = Double(k + 1) * Self.u
    return (product(a, b, bias), magnitude.map { $0 * steps / (1 - steps) })
  }

  private static let extents = [1, 1, 2, 3, 5, 7, 8, 15, 16, 17, 24, 31, 33, 48, 64, 65, 100]

  /// Random extents (also 0), layouts and addresses; every second product is written to a
  /// destination.
  @Test func agreesWithReferenceOverShapesAndLayouts() {
    for number in 0..<RandomCases.matmul {
      var draws = Draws(case: number)
      func extent() -> Int { draws.int(0...14) == 0 ? 0 : draws.pick(Self.extents) }
      let (m, n, k) = (extent(), extent(), extent())
      let (a, b) = (draws.floats(m * k), draws.floats(k * n))
      let bias = draws.pick([true, false]) ? draws.floats(n) : nil
      let expected = judge(a, b, bias, m: m, n: n, k: k)
      let destination = draws.pick([true, false]) ? Guarded([m, n], at: draws.int(0...17)) : nil

      let c = matmul(
        draws.laidOut(a, shape: [m, k]), draws.laidOut(b, shape: [k, n]),
        bias: bias.map { unaligned($0, by: number % 16) }, into: destination?.tensor)

      expectClose(c, expected.values, shape: [m, n], "m \(m) n \(n) k \(k), \(draws)") {
        expected.tolerance[$0]
      }
      if let destination {
        #expect(c === destination.tensor)
        #expect(destination.guardsAreIntact, "wrote outside: m \(m) n \(n) k \(k), \(draws)")
      }
    }
  }

  /// The shapes of real layers: batch 64 of MNIST forward, and both gradients.
  @Test(arguments: [(64, 512, 784), (64, 784, 512), (512, 784, 64), (64, 10, 784), (10, 784, 64)])
  func agreesWithReferenceOnRealLayers(m: Int, n: Int, k: Int) {
    var draws = Draws(case: m + n + k)
    let (a, b, bias) = (draws.floats(m * k), draws.floats(k * n), draws.floats(n))
    let expected = judge(a, b, bias, m: m, n: n, k: k)
    let columns = Tensor(b, shape: [k, n]).transposedView.copied().transposedView
    for right in [Tensor(b, shape: [k, n]), columns] {
      let c = matmul(Tensor(a, shape: [m, k]), right, bias: Tensor(bias, shape: [n]))
      expectClose(c, expected.values, shape: [m, n]) { expected.tolerance[$0] }
    }
  }

  @Test func anEmptySumIsZeroOrTheBias() {
    let (a, b) = (Tensor(zeros: [2, 0]), Tensor(zeros: [0, 3]))
    #expect(matmul(a, b).values(Float.self) == [0, 0, 0, 0, 0, 0])
    let bias = Tensor([1, 2, 3] as [Float], shape: [3])
    let stale = Tensor([Float](repeating: 9, count: 6), shape: [2, 3])
    #expect(matmul(a, b, bias: bias, into: stale).values(Float.self) == [1, 2, 3, 1, 2, 3])
    #expect(matmul(Tensor(zeros: [0, 4]), Tensor(zeros: [4, 3])).shape == [0, 3])
    #expect(matmul(Tensor(zeros: [2, 4]), Tensor(zeros: [4, 0])).shape == [2, 0])
  }

  @Test func rowsOfABroadcastOperandAreEqual() {
    var strides = Strides(axisCount: 2)
    strides[1] = 1  // and 0 along the rows
    let row = Tensor([1, 2, 3] as [Float], shape: [3])
    let a = Tensor(
      storage: row.storage, shape: [4, 3], strides: strides, offset: 0, dtype: .float32)
    let c = matmul(a, Tensor([1, 0, 0, 1, 1, 1] as [Float], shape: [3, 2]))
    #expect(c.values(Float.self) == [4, 5, 4, 5, 4, 5, 4, 5])
  }

  @Test func nanAndInfinityPropagate() {
    let a = Tensor([.nan, 1, .infinity, 1] as [Float], shape: [2, 2])
    let c = matmul(a, Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])).values(Float.self)
    #expect(c[0].isNaN && c[1].isNaN && c[2] == .infinity && c[3] == .infinity)
  }

  /// float64 takes the reference for every layout; an error of 1e-13 would mean it is not computed
  /// in double.
  @Test func float64AgreesOverShapesAndLayouts() {
    for number in 0..<200 {
      var draws = Draws(case: number)
      let (m, n, k) = (draws.int(0...9), draws.int(0...9), draws.int(0...9))
      let (a, b) = (draws.doubles(m * k), draws.doubles(k * n))
      let c = matmul(draws.laidOut(a, shape: [m, k]), draws.laidOut(b, shape: [k, n]))
      let expected = (0..<m * n).map { i in
        (0..<k).reduce(0.0) { $0 + a[i / n * k + $1] * b[$1 * n + i % n] }
      }
      expectClose(c, expected, shape: [m, n], "\(draws)") { _ in 1e-13 }
    }
  }

  @Test func float64IsAddedInDouble() {
    let a = Tensor([1, 1e-12, -1] as [Double], shape: [1, 3])
    let c = matmul(a, Tensor([1, 1, 1] as [Double], shape: [3, 1]))
    #expect(abs(c.item() - 1e-12) < 1e-15)
  }

  /// The memory pool decides the addresses of shards' tensors, so the bits must not depend on them.
  @Test(arguments: [(1, 10, 784), (7, 33, 65), (16, 16, 16), (31, 10, 512), (64, 512, 784)])
  func bitsDoNotDependOnAlignment(m: Int, n: Int, k: Int) {
    var draws = Draws(case: m + n + k)
    let (a, b, bias) = (draws.floats(m * k), draws.floats(n * k), draws.floats(n))
    func product(_ i: Int, _ j: Int, _ l: Int, _ to: Int) -> [UInt32] {
      matmul(
        unaligned(a, by: i).viewed(as: [m, k]),
        unaligned(b, by: j).viewed(as: [n, k]).transposedView,
        bias: unaligned(bias, by: l), into: Guarded([m, n], at: to).tensor
      ).bits
    }
    let aligned = product(0, 0, 0, 0)
    for i in 1...17 {
      #expect(product(i, 0, 0, 0) == aligned)
      #expect(product(0, i, 0, 0) == aligned)
      #expect(product(0, 0, i, 0) == aligned)
      #expect(product(0, 0, 0, i) == aligned)
      #expect(product(i, 17 - i, i / 2, 3 * i) == aligned)
    }
  }

  /// After 1024 shapes the cache of primitives is emptied.
  @Test func moreShapesThanTheCacheHoldsGiveTheSameResult() {
    for n in 1...1100 {
      let c = matmul(
        Tensor([2] as [Float], shape: [1, 1]),
        Tensor([Float](repeating: 3, count: n), shape: [1, n]))
      #expect(c.values(Float.self) == [Float](repeating: 6, count: n))
    }
    #expect(
      matmul(Tensor([2] as [Float], shape: [1, 1]), Tensor([3] as [Float], shape: [1, 1])).item()
        == 6)
  }

  static let contracts = [
    BrokenContract(
      "inner extents", "matmul: [2, 3] cannot be multiplied by [4, 5]: the inner extents must agree"
    ) { _ = matmul(Tensor(zeros: [2, 3]), Tensor(zeros: [4, 5])) },
    BrokenContract("three axes", "matmul: [2, 3, 1] cannot be multiplied by [3, 5]") {
      _ = matmul(Tensor(zeros: [2, 3, 1]), Tensor(zeros: [3, 5]))
    },
    BrokenContract("bias", "matmul: a bias of shape [4] for 5 columns") {
      _ = matmul(Tensor(zeros: [2, 3]), Tensor(zeros: [3, 5]), bias: Tensor(zeros: [4]))
    },
    BrokenContract(
      "destination", "matmul: the result is float32 [2, 5]; the destination is float32 [5, 2]"
    ) { _ = matmul(Tensor(zeros: [2, 3]), Tensor(zeros: [3, 5]), into: Tensor(zeros: [5, 2])) },
    BrokenContract(
      "dtypes", "matmul: operands of float32 and float64; convert one of them first"
    ) { _ = matmul(Tensor(zeros: [2, 3]), Tensor(zeros: [3, 5], .float64)) },
    BrokenContract("integers", "matmul: needs float32 or float64, not int32") {
      _ = matmul(Tensor(zeros: [2, 3], .int32), Tensor(zeros: [3, 5], .int32))
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in MatmulTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

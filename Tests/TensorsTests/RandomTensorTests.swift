import Glibc
import Tensors
import Testing

/// Counted random tensors: their definition, and that they are what their names say.
struct RandomTensorTests {
  private let random = CountedRandom(seed: 5, purpose: "p")

  @Test func elementsAreTheWordsTheyAreSaidToBe() {
    let (block, next) = (random.block(0), random.block(1))
    let x = Tensor.rand([5], seed: 5, purpose: "p").values(Float.self)
    #expect(
      x == [block[0], block[1], block[2], block[3], next[0]].map { Float($0 >> 8) * 0x1p-24 })
    #expect(x[4] == random.uniform(4))
    let wide = [(block[0], block[1]), (block[2], block[3]), (next[0], next[1])].map {
      UInt64($1) << 32 | UInt64($0)
    }
    #expect(
      Tensor.rand([3], seed: 5, purpose: "p", .float64).values(Double.self)
        == wide.map { Double($0 >> 11) * 0x1p-53 })
    #expect(
      Tensor.randint(-2..<9, [3], seed: 5, purpose: "p").values(Int64.self)
        == wide.map { Int64($0.multipliedFullWidth(by: 11).high) - 2 })
    #expect(
      Tensor.randperm(9, seed: 5, purpose: "p").values(Int64.self)
        == random.permutation(9).map { Int64($0) })

    func normals(_ u: Double, _ v: Double) -> [Double] {
      let radius = (-2 * log(u)).squareRoot()
      return [radius * cos(2 * .pi * v), radius * sin(2 * .pi * v)]
    }
    let unit = { (word: UInt32) in Double(word >> 8) * 0x1p-24 }
    #expect(
      Tensor.randn([3], seed: 5, purpose: "p").values(Float.self)
        == (normals(unit(block[0]) + 0x1p-24, unit(block[1]))
        + normals(unit(block[2]) + 0x1p-24, unit(block[3]))[..<1]).map { Float($0) })
    let fine = { (word: UInt64) in Double(word >> 11) * 0x1p-53 }
    #expect(
      Tensor.randn([2], seed: 5, purpose: "p", .float64).values(Double.self)
        == normals(fine(wide[0]) + 0x1p-53, fine(wide[1])))
  }

  /// Of 10,000 the mean of uniform numbers is off by 0.003, of normal ones by 0.01, their variance by
  /// 0.014 (one standard deviation each): six of them at most, once and for all seeds here.
  @Test(arguments: [DType.float32, .float64]) func momentsAreThoseOfTheDistribution(dtype: DType) {
    func moments(_ x: Tensor) -> (mean: Double, variance: Double) {
      let values = dtype == .float32 ? x.values(Float.self).map(Double.init) : x.values()
      let mean = values.reduce(0, +) / Double(values.count)
      return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
    }
    let uniform = moments(Tensor.rand([100, 100], seed: 1, purpose: "u", dtype))
    #expect(abs(uniform.mean - 0.5) < 0.018 && abs(uniform.variance - 1.0 / 12) < 0.005)
    let normal = moments(Tensor.randn([100, 100], seed: 1, purpose: "n", dtype))
    #expect(abs(normal.mean) < 0.06 && abs(normal.variance - 1) < 0.085)
  }

  @Test func seedAndPurposeTellTensorsApart() {
    func values(_ seed: UInt64, _ purpose: String) -> [Float] {
      Tensor.rand([4], seed: seed, purpose: purpose).values()
    }
    #expect(values(1, "a") == values(1, "a"))
    #expect(values(1, "a") != values(2, "a") && values(1, "a") != values(1, "b"))
    #expect(
      Set(Tensor.randint(3..<6, [100], seed: 1, purpose: "i").values(Int64.self)) == [3, 4, 5])
    #expect(
      Tensor.randperm(50, seed: 1, purpose: "o").values(Int64.self).sorted() == Array(0..<50))
    #expect(Tensor.onesLike(Tensor([[2, 3]])).values(Int64.self) == [1, 1])
    #expect(Tensor.zerosLike(Tensor([[2.5]])).values(Float.self) == [0])
  }
}

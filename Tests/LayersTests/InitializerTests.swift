import Layers
import Tensors
import Testing

struct InitializerTests {
  private func values(_ module: any Module, _ name: String, seed: UInt64) -> [Float] {
    module.initialize(seed: seed)
    return module.namedParameters.first { $0.name == name }!.tensor.values(Float.self)
  }

  /// PyTorch's `kaiming_uniform_(a=sqrt(5))`: bound sqrt(6 / ((1 + 5) fan_in)) = 1 / sqrt(fan_in),
  /// weight and bias alike.
  @Test func linearsAreUniformWithinOneOverRootFanIn() {
    let module = Linear(784, 512)
    module.initialize(seed: 3)
    let bound = Float(1) / 28
    for parameter in module.namedParameters {
      #expect(parameter.initializer == .uniform(bound: bound))
      let values = parameter.tensor.values(Float.self)
      let count = Double(values.count)
      #expect(values.allSatisfy { -bound <= $0 && $0 < bound })
      #expect(values.max()! > bound * 0.98 && values.min()! < -bound * 0.98)
      // In units of the bound: the mean of n values is off 0 by 5 sqrt(1/3 / n) at most, their
      // variance off 1/3 by 5 sqrt(4/45 / n).
      let x = values.map { Double($0 / bound) }
      #expect(abs(x.reduce(0, +) / count) < 5 * (1 / 3 / count).squareRoot())
      let variance = x.reduce(0) { $0 + $1 * $1 } / count
      #expect(abs(variance - 1.0 / 3) < 5 * (4.0 / 45 / count).squareRoot())
    }
  }

  @Test func everyElementGetsItsOwnValueWhateverTheSize() {
    for size in 1...9 {
      let weight = values(Linear(size, 1), "weight", seed: 1)
      #expect(Set(weight).count == size && !weight.contains(0))
    }
  }

  @Test func valuesDependOnSeedAndNameAlone() {
    let alone = values(Sequential(Linear(5, 4)), "0.weight", seed: 7)
    let before = Sequential(Linear(5, 4), Linear(4, 9))
    #expect(values(before, "0.weight", seed: 7) == alone)
    let behind = Sequential(named: [("first", Linear(9, 5)), ("0", Linear(5, 4))])
    #expect(values(behind, "0.weight", seed: 7) == alone)
    // Of another shape the same stream goes on.
    #expect(Array(values(Sequential(Linear(5, 8)), "0.weight", seed: 7).prefix(20)) == alone)

    #expect(values(Sequential(Linear(5, 4)), "0.weight", seed: 8) != alone)
    let renamed = Sequential(named: [("other", Linear(5, 4))])
    #expect(values(renamed, "other.weight", seed: 7) != alone)
    #expect(values(Sequential(Linear(5, 4)), "0.bias", seed: 7) != Array(alone.prefix(4)))
  }

  @Test func initializingAgainGivesTheSameBits() {
    let module = Linear(5, 4)
    let first = values(module, "weight", seed: 1)
    #expect(values(module, "weight", seed: 2) != first)
    #expect(values(module, "weight", seed: 1) == first)
  }

  @Test func noInputsAreBoundedByOne() {
    #expect(Initializer.defaultUniform(fanIn: 0) == .uniform(bound: 1))
    #expect(Initializer.defaultUniform(fanIn: 4) == .uniform(bound: 0.5))
  }

  /// Layers hold their first values from the beginning: PyTorch's defaults within their bounds.
  @Test func layersAreMadeWithPyTorchsDefaults() {
    let conv = Conv2d(4, 6, kernel: HeightWidth(3, 2), groups: 2)  // fan-in 2 * 6
    let back = ConvTranspose2d(4, 6, kernel: 2)  // fan-in, as PyTorch counts it, 6 * 4
    let linear = Linear(9, 7)
    for (module, fanIn) in [(conv, 12), (back, 24), (linear, 9)] as [(any Module, Int)] {
      let bound = 1 / Float(fanIn).squareRoot()
      for parameter in module.namedParameters {
        let values = parameter.tensor.values(Float.self)
        #expect(values.allSatisfy { abs($0) <= bound } && values.contains { abs($0) > 0.6 * bound })
      }
    }
    #expect(
      conv.weight.values(Float.self)
        == Conv2d(4, 6, kernel: HeightWidth(3, 2), groups: 2)
        .weight.values(Float.self))
    #expect(Linear(9, 7, seed: 1).weight.values(Float.self) != linear.weight.values(Float.self))
    let before = linear.weight.values(Float.self)
    #expect(values(linear, "weight", seed: 0) != before)  // by its full name, not its type's

    for norm in [BatchNorm1d(3), BatchNorm2d(3), LayerNorm([3])] as [any Module] {
      for _ in 0..<2 {
        #expect(
          norm.namedParameters.map { $0.tensor.values(Float.self) } == [[1, 1, 1], [0, 0, 0]])
        norm.initialize(seed: 5)
      }
    }
    let table = Embedding(4000, 50, paddingIndex: 7)
    for _ in 0..<2 {
      expectNormal(table.weight, mean: 0, deviation: 1, zeros: 50)
      #expect(table.weight.rows(7..<8).values(Float.self).allSatisfy { $0 == 0 })
      table.initialize(seed: 2)
    }
  }

  /// Of n normal numbers the mean is off by 5 deviations / sqrt(n) at most, the variance by
  /// 5 sqrt(2 / n) of itself, and the fourth moment (3 of a normal) by 5 sqrt(96 / n).
  private func expectNormal(
    _ tensor: Tensor, mean: Double, deviation: Double, zeros: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let all = tensor.values(Float.self)
    let values = (zeros > 0 ? all.filter { $0 != 0 } : all).map { (Double($0) - mean) / deviation }
    #expect(values.count == all.count - zeros, sourceLocation: sourceLocation)
    let count = Double(values.count)
    func moment(_ order: Int) -> Double {
      values.reduce(0) { sum, v in sum + (0..<order).reduce(1.0) { power, _ in power * v } } / count
    }
    #expect(abs(moment(1)) < 5 / count.squareRoot(), sourceLocation: sourceLocation)
    #expect(abs(moment(2) - 1) < 5 * (2 / count).squareRoot(), sourceLocation: sourceLocation)
    #expect(abs(moment(4) - 3) < 5 * (96 / count).squareRoot(), sourceLocation: sourceLocation)
  }

  private func initialized(_ initializer: Initializer, _ shape: Shape) -> Tensor {
    let tensor = Tensor(zeros: shape)
    tensor.initialize(initializer, seed: 3, name: "w")
    return tensor
  }

  /// A weight [out, in, h, w] has fan-in in h w and fan-out out h w.
  @Test func scaledInitializersHaveTheirFormulasSpread() {
    let shape: Shape = [40, 30, 3, 5]  // fan-in 450, fan-out 600
    func expectUniform(_ initializer: Initializer, bound: Double) {
      let values = initialized(initializer, shape).values(Float.self).map { Double($0) / bound }
      let largest = values.map { abs($0) }.max()!
      #expect(largest <= 1.000001 && largest > 0.999)
      let variance = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
      #expect(abs(variance - 1.0 / 3) < 5 * (4.0 / 45 / Double(values.count)).squareRoot())
    }
    expectUniform(.xavierUniform(gain: 2), bound: 2 * (6.0 / 1050).squareRoot())
    expectUniform(.kaimingUniform(.fanIn, gain: 1), bound: (3.0 / 450).squareRoot())
    expectUniform(.kaimingUniform(.fanOut, gain: 3), bound: 3 * (3.0 / 600).squareRoot())
    expectNormal(
      initialized(.xavierNormal(gain: 2), shape), mean: 0, deviation: 2 * (2.0 / 1050).squareRoot())
    expectNormal(
      initialized(.kaimingNormal(.fanIn, gain: 2), shape), mean: 0,
      deviation: 2 / (450.0).squareRoot())
    expectNormal(
      initialized(.kaimingNormal(.fanOut, gain: 1), shape), mean: 0,
      deviation: 1 / (600.0).squareRoot())
    expectNormal(
      initialized(.normal(mean: 3, deviation: 0.5), [20000]), mean: 3, deviation: 0.5)
    let interval = initialized(.interval(low: 2, high: 5), [10000]).values(Float.self)
    #expect(interval.allSatisfy { $0 >= 2 && $0 <= 5 } && interval.max()! > 4.99)
    #expect(interval.min()! < 2.01)
    #expect(initialized(.zeros, [3]).values(Float.self) == [0, 0, 0])
    #expect(initialized(.ones, [3]).values(Float.self) == [1, 1, 1])
  }

  @Test(arguments: [[5, 5], [3, 7], [7, 3], [4, 2, 3, 3], [1, 1]] as [Shape])
  func orthogonalRowsOrColumnsAreOrthonormal(shape: Shape) {
    let (rows, columns) = (shape[0], shape.dropFirst().reduce(1, *))
    let values = initialized(.orthogonal(gain: 2), shape).values(Float.self).map { Double($0) / 2 }
    let count = min(rows, columns)
    for i in 0..<count {
      for j in 0..<count {
        let product = (0..<max(rows, columns)).reduce(0.0) { sum, k in
          rows <= columns
            ? sum + values[i * columns + k] * values[j * columns + k]
            : sum + values[k * columns + i] * values[k * columns + j]
        }
        #expect(abs(product - (i == j ? 1 : 0)) < 1e-6)
      }
    }
  }

  @Test func gainsAreThoseOfCalculateGain() {
    #expect(Initializer.Nonlinearity.linear.gain == 1 && Initializer.Nonlinearity.sigmoid.gain == 1)
    #expect(Initializer.Nonlinearity.tanh.gain == Float(5) / 3)
    #expect(Initializer.Nonlinearity.relu.gain == Float(2).squareRoot())
    // sqrt(2 / (1 + 5)): with a bound of gain sqrt(3 / fan), 1 / sqrt(fan), PyTorch's default.
    let gain = Initializer.Nonlinearity.leakyReLU(slope: Float(5).squareRoot()).gain
    #expect(abs(gain - Float(1.0 / 3).squareRoot()) < 1e-7)
  }
}

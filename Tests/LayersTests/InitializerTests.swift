import Layers
import TensorCore
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
}

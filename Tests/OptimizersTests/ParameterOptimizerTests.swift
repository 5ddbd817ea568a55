import Autograd
import Optimizers
import System
import Tensors
import TestSupport
import Testing

/// Optimizers over tensors wherever they lie, and groups.
struct ParameterOptimizerTests {
  private func leaf(_ values: [Float]) -> Tensor {
    let tensor = Tensor(values, shape: [values.count])
    tensor.requiresGrad = true
    return tensor
  }

  static let makers: [@Sendable (Int) -> any Optimizer] = [
    { _ in SGD() },
    { SGD(elementCount: $0, momentum: 0.9, weightDecay: 0.1) },
    { Adam(elementCount: $0) },
    { AdamW(elementCount: $0, groups: [ParameterGroup(range: 2..<9, weightDecay: 0.5)]) },
    { RMSprop(elementCount: $0, momentum: 0.5, isCentered: true) },
    { Adagrad(elementCount: $0, groups: [ParameterGroup(range: 8..<9, learningRateScale: 3)]) },
  ]

  /// The same bits as over an arena, whichever way groups and parameters overlap.
  @Test func stepsAreThoseOverAnArena() {
    for (number, make) in Self.makers.enumerated() {
      var draws = Draws(case: number)
      let sizes = [1, 5, 0, 4]
      let parameters = sizes.map { leaf(draws.floats($0)) }
      let optimizer = ParameterOptimizer(parameters, learningRate: 0.1, make)
      let whole = make(10)
      var arena = parameters.flatMap { $0.values(Float.self) }
      for step in 1...5 {
        let gradients = sizes.map { draws.floats($0) }
        optimizer.zeroGrad()
        for (parameter, gradient) in zip(parameters, gradients) {
          parameter.backward(seed: Tensor(gradient, shape: parameter.shape))
        }
        optimizer.step()
        let flat = gradients.flatMap { $0 }
        arena.withUnsafeMutableBufferPointer {
          whole.step(parameters: $0, gradients: flat, learningRate: 0.1, step: step)
        }
        #expect(parameters.flatMap { $0.values(Float.self) }.bits == arena.bits, "\(draws)")
      }
    }
  }

  /// Whichever parts of an arena a step is divided into, and in whatever order they are done.
  @Test func dividedStepsAreWholeOnes() {
    for (number, make) in Self.makers.enumerated() {
      var draws = Draws(case: number)
      let (whole, divided) = (make(10), make(10))
      var arena = draws.floats(10)
      var other = arena
      for step in 1...5 {
        let gradients = draws.floats(10)
        arena.withUnsafeMutableBufferPointer {
          whole.step(parameters: $0, gradients: gradients, learningRate: 0.1, step: step)
        }
        let cut = draws.int(0...10)
        other.withUnsafeMutableBufferPointer {
          divided.step(parameters: $0, gradients: gradients, learningRate: 0.1, step: step) {
            $1(cut..<$0.upperBound)
            $1($0.lowerBound..<cut)
          }
        }
        #expect(other.bits == arena.bits, "\(draws), cut at \(cut)")
      }
    }
  }

  /// Least squares of y = 2 x + 1: the notebooks' loop.
  @Test func aScriptFitsALine() {
    let (w, b) = (leaf([0]), leaf([0]))
    let x = Tensor([-1, -0.5, 0, 0.5, 1] as [Float], shape: [5])
    let y = Tensor([-1, 0, 1, 2, 3] as [Float], shape: [5])
    let optimizer = ParameterOptimizer([w, b], learningRate: 0.5) { _ in SGD() }
    for _ in 0..<60 {
      optimizer.zeroGrad()
      meanSquaredError(x * w + b, y).backward()
      optimizer.step()
    }
    #expect(abs(w.item() - 2) < 1e-5 && abs(b.item() - 1) < 1e-5)
  }

  /// As in PyTorch: no gradient, no update, and its count of steps waits.
  @Test func aParameterWithoutAGradientIsLeftOut() {
    let (a, b) = (leaf([1]), leaf([1]))
    let optimizer = ParameterOptimizer([a, b], learningRate: 0.25) { Adam(elementCount: $0) }
    for step in 1...3 {
      optimizer.zeroGrad()
      (step < 3 ? a : a + b).backward(seed: Tensor([2] as [Float], shape: [1]))
      optimizer.step()
      #expect((b.item() == 1) == (step < 3))
    }
    #expect(abs(b.item() - 0.75) < 1e-6)  // Adam's first step is the rate
    optimizer.learningRate = 0
    let before = a.item()
    optimizer.step()
    #expect(a.item() == before)
  }

  static let contracts: [BrokenContract] = {
    @Sendable func make(_ groups: [ParameterGroup], _ elementCount: Int = 10) {
      _ = Adam(elementCount: elementCount, groups: groups)
    }
    @Sendable func optimize(_ tensors: [Tensor]) {
      _ = ParameterOptimizer(tensors, learningRate: 1) { _ in SGD() }
    }
    @Sendable func leaf() -> Tensor {
      let tensor = Tensor(zeros: [2])
      tensor.requiresGrad = true
      return tensor
    }
    return [
      BrokenContract("overlap", "parameter groups 0..<5 and 4..<6 overlap") {
        make([ParameterGroup(range: 4..<6), ParameterGroup(range: 0..<5)])
      },
      BrokenContract(
        "outside", "parameter group 4..<11 reaches outside an arena of 10 elements"
      ) { make([ParameterGroup(range: 4..<11)]) },
      BrokenContract("Nesterov", "SGD: Nesterov's momentum needs a momentum above 0") {
        _ = SGD(elementCount: 2, momentum: 0, isNesterov: true)
      },
      BrokenContract(
        "no leaf", "optimizer: parameter 1 of shape [2] is no leaf that requires a gradient"
      ) { optimize([leaf(), leaf() + leaf()]) },
      BrokenContract(
        "a constant", "optimizer: parameter 0 of shape [2] is no leaf that requires a gradient"
      ) { optimize([Tensor(zeros: [2])]) },
      BrokenContract(
        "float64", "optimizer: parameter 0 of float64 [2] must be contiguous float32"
      ) { optimize([Tensor(zeros: [2], .float64)]) },
      BrokenContract("twice", "optimizer: a parameter stands twice in the list") {
        let tensor = leaf()
        optimize([tensor, tensor])
      },
      BrokenContract("too short a state", "Adam was made for another arena: of 1 elements, not 2") {
        let tensor = leaf()
        let optimizer = ParameterOptimizer([tensor], learningRate: 1) { _ in Adam(elementCount: 1) }
        tensor.backward(seed: Tensor(zeros: [2]))
        optimizer.step()
      },
      BrokenContract("average", "WeightAverage was made for an arena of 3 elements, not 1") {
        [Float(0)].withUnsafeBufferPointer { WeightAverage(elementCount: 3).update($0) }
      },
      BrokenContract("plateau", "PlateauSchedule: a factor of 1.0 does not lower the rate") {
        _ = PlateauSchedule(rate: 1, factor: 1)
      },
    ]
  }()

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in ParameterOptimizerTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

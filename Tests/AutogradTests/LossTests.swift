import Autograd
import System
import Tensors
import TestSupport
import Testing

/// The losses against PyTorch's (Golden/losses.py), against finite differences, and their errors.
struct LossTests {
  typealias Op = @Sendable (PyTorchCase, [Tensor]) -> Tensor

  private static func divisor(_ known: PyTorchCase) -> Double? {
    known.text("reduction") == "sum" ? 1 : nil
  }

  private static func numbers(_ known: PyTorchCase, _ name: String) -> [Double]? {
    if case .list(let values)? = known.arguments[name] { values } else { nil }
  }

  private static func constant(_ known: PyTorchCase, like x: Tensor) -> Tensor {
    Tensor(numbers(known, "target")!, shape: x.shape).to(x.dtype)
  }

  private static func counting(_ known: PyTorchCase) -> ClassCounting {
    ClassCounting(
      weights: numbers(known, "weights"), ignoredTarget: known.int("ignored"),
      labelSmoothing: known.number("smoothing") ?? 0)
  }

  private static func targets(_ known: PyTorchCase) -> Tensor {
    Tensor(known.ints("targets")!.map(Int64.init), shape: Shape(known.ints("shape")!))
  }

  static let ops: [String: Op] = [
    "mse": { meanSquaredError($1[0], $1[1], divisor: divisor($0)) },
    "l1": { absoluteError($1[0], $1[1], divisor: divisor($0)) },
    "smoothL1": {
      smoothAbsoluteError($1[0], $1[1], beta: $0.number("beta")!, divisor: divisor($0))
    },
    "huber": { huberError($1[0], $1[1], delta: $0.number("delta")!, divisor: divisor($0)) },
    "bce": { binaryCrossEntropy($1[0], $1[1], divisor: divisor($0)) },
    "bceConstantTarget": { binaryCrossEntropy($1[0], constant($0, like: $1[0])) },
    "bceWithLogits": { binaryCrossEntropyWithLogits($1[0], $1[1], divisor: divisor($0)) },
    "klDiv": { kullbackLeibler($1[0], $1[1], divisor: divisor($0)) },
    "klDivConstantTarget": { kullbackLeibler($1[0], constant($0, like: $1[0])) },
    "klDivLog": { kullbackLeibler($1[0], $1[1], isTargetLog: true, divisor: divisor($0)) },
    "klDivBatchMean": { kullbackLeibler($1[0], $1[1], divisor: Double($1[0].shape[0])) },
    "crossEntropy": {
      crossEntropy($1[0], targets: targets($0), counting: counting($0), divisor: divisor($0))
    },
    "crossEntropyProbabilities": {
      crossEntropy($1[0], probabilities: $1[1], counting: counting($0), divisor: divisor($0))
    },
    "nll": {
      negativeLogLikelihood(
        $1[0], targets: targets($0), counting: counting($0), divisor: divisor($0))
    },
  ]

  /// At most 60 terms below 20 (but for the one case of 1e4), each of a few elementary functions good
  /// to 2 u, u = 2^-24 in float32: 64 u of the largest element. (softmax - onehot cancels: off by u of 1
  /// where the script keeps the largest above 0.05 or so.)
  @Test func valuesAndGradientsArePyTorchs() throws {
    var compared = 0
    let cases = try golden("losses.json", as: [PyTorchCase].self)
    for known in cases {
      let op = try #require(Self.ops[known.op], "no op '\(known.op)' in this test")
      compared += known.check(relative: 4e-6) { [op(known, $0)] }
    }
    #expect(Set(cases.map(\.op)) == Set(Self.ops.keys))
    #expect(compared >= 2000, "\(compared) tensors")
  }

  /// Without weights, ignored targets and smoothing it is the op of the fast kernel.
  @Test func theTwoCrossEntropiesAgree() {
    var draws = Draws(case: 3)
    for (n, classes) in [(1, 2), (7, 5), (12, 10)] {
      let targets = Tensor((0..<n).map { _ in Int64(draws.int(0...classes - 1)) }, shape: [n])
      let values = draws.doubles(n * classes)
      let gradients = [true, false].map { isFast in
        let x = Tensor(values, shape: [n, classes])
        x.requiresGrad = true
        let loss =
          isFast
          ? crossEntropy(x, targets: targets, divisor: n)
          : crossEntropy(x, targets: targets, counting: ClassCounting())
        loss.backward()
        return [loss.item()] + x.grad!.asDoubles
      }
      expectClose(gradients[1], gradients[0], "\(draws)") { _ in 1e-14 }
    }
  }

  @Test(arguments: [[], [1], [5], [2, 3], [2, 1, 3]] as [Shape])
  func gradientsMatchFiniteDifferences(shape: Shape) {
    var draws = Draws(case: shape.count)
    func leaf(_ range: ClosedRange<Double>) -> Tensor {
      let width = range.upperBound - range.lowerBound
      let values = draws.doubles(shape.elementCount).map {
        range.lowerBound + ($0 + 1) / 2 * width
      }
      return draws.laidOut(values, shape: shape)
    }
    let (x, y) = (leaf(-2...2), leaf(-2...2))
    let pair = [leaf(0.05...0.95), leaf(0.05...0.95)]
    let n = Double(shape.elementCount)
    for divisor in [nil, 1, 3 * n] {
      let context = "\(draws), divisor \(divisor ?? n)"
      func check(_ name: String, _ inputs: [Tensor], _ f: ([Tensor]) -> Tensor) {
        expectGradientsMatchFiniteDifferences(inputs, "\(name), \(context)", f)
      }
      check("mse", [x, y]) { meanSquaredError($0[0], $0[1], divisor: divisor) }
      check("l1", [x, y]) { absoluteError($0[0], $0[1], divisor: divisor) }
      check("smoothL1", [x, y]) { smoothAbsoluteError($0[0], $0[1], beta: 0.7, divisor: divisor) }
      check("huber", [x, y]) { huberError($0[0], $0[1], delta: 0.7, divisor: divisor) }
      check("bce", pair) { binaryCrossEntropy($0[0], $0[1], divisor: divisor) }
      check("logits", [x, y]) { binaryCrossEntropyWithLogits($0[0], $0[1], divisor: divisor) }
      check("klDiv", [x, pair[1]]) { kullbackLeibler($0[0], $0[1], divisor: divisor) }
      check("klDivLog", [x, y]) {
        kullbackLeibler($0[0], $0[1], isTargetLog: true, divisor: divisor)
      }
    }
  }

  @Test(arguments: [[1, 2], [4, 3], [2, 3, 2], [3]] as [Shape])
  func classLossesMatchFiniteDifferences(shape: Shape) {
    var draws = Draws(case: shape.elementCount)
    let classes = shape.count == 1 ? shape[0] : shape[1]
    let rest = shape.count == 1 ? [] : [shape[0]] + Array(shape.dropFirst(2))
    let targets = Tensor(
      (0..<rest.reduce(1, *)).map { _ in Int64(draws.int(0...classes - 1)) }, shape: Shape(rest))
    let x = draws.laidOut(draws.doubles(shape.elementCount), shape: shape)
    let q = draws.laidOut(draws.doubles(shape.elementCount).map { $0 + 1.5 }, shape: shape)
    let weights = draws.doubles(classes).map { $0 + 1.5 }
    for smoothing in [0, 0.3] {
      let counting = ClassCounting(weights: weights, labelSmoothing: smoothing)
      expectGradientsMatchFiniteDifferences([x], "\(draws)") {
        crossEntropy($0[0], targets: targets, counting: counting)
      }
      expectGradientsMatchFiniteDifferences([x, q], "probabilities, \(draws)") {
        crossEntropy($0[0], probabilities: $0[1], counting: counting)
      }
    }
    expectGradientsMatchFiniteDifferences([x], "nll, \(draws)") {
      negativeLogLikelihood($0[0], targets: targets, counting: ClassCounting(weights: weights))
    }
  }

  @Test func byHand() {
    let (x, y) = (
      Tensor([1, 2, 5] as [Float], shape: [3]), Tensor([1, 4, 2] as [Float], shape: [3])
    )
    #expect(meanSquaredError(x, y, divisor: 1).item() == 13)
    #expect(absoluteError(x, y, divisor: 1).item() == 5)
    #expect(smoothAbsoluteError(x, y, beta: 4, divisor: 1).item() == 4 / 8.0 + 9 / 8.0)
    #expect(huberError(x, y, delta: 2, divisor: 1).item() == 2 + 2 * 2)
    // -ln of 0.01, 0.3, 0.5 and 1: the notebook's probe.
    let p = Tensor([1e-2, 0.3, 0.5, 1], shape: [4])
    let known = [4.605170185988091, 1.203972804325936, 0.6931471805599453, 0]
    for (i, expected) in known.enumerated() {
      let one = Tensor([1.0], shape: [1])
      #expect(abs(binaryCrossEntropy(p.rows(i..<i + 1), one).item() - expected) < 1e-15)
    }
    x.requiresGrad = true
    let loss = meanSquaredError(x.sigmoid() + y, y)
    #expect("\(loss.gradientFunction!)" == "MeanSquaredErrorBackward")
    #expect("\(loss.gradientFunction!.nextFunctions[0]!)" == "AddBackward")
  }

  static let contracts: [BrokenContract] = {
    @Sendable func zeros(_ shape: Shape, _ dtype: DType = .float32) -> Tensor {
      Tensor(zeros: shape, dtype)
    }
    @Sendable func labels(_ values: [Int64]) -> Tensor { Tensor(values, shape: [values.count]) }
    return [
      BrokenContract(
        "BCE of a column and a row",
        "binaryCrossEntropy: a prediction of shape [2000, 1] and a target of shape [2000] are not "
          + "compared element by element; reshape one of them, such as target.reshaped([2000, 1])"
      ) { _ = binaryCrossEntropy(zeros([2000, 1]), zeros([2000])) },
      BrokenContract(
        "MSE of a column and a row",
        "meanSquaredError: a prediction of shape [2000, 1] and a target of shape [2000] are not "
          + "compared element by element; reshape one of them"
      ) { _ = meanSquaredError(zeros([2000, 1]), zeros([2000])) },
      BrokenContract(
        "mixed dtypes",
        "meanSquaredError: a prediction of float32 and a target of float64; convert one of them with "
          + "to(_:)"
      ) { _ = meanSquaredError(zeros([2]), zeros([2], .float64)) },
      BrokenContract("integers", "absoluteError: needs float32 or float64, not int64") {
        _ = absoluteError(zeros([2], .int64), zeros([2], .int64))
      },
      BrokenContract(
        "no probability",
        "binaryCrossEntropy: a prediction is not in 0 ... 1; put a sigmoid before it"
      ) { _ = binaryCrossEntropy(Tensor([0.5, 1.5], shape: [2]), zeros([2], .float64)) },
      BrokenContract("divisor", "meanSquaredError: the divisor must be positive, not 0") {
        _ = meanSquaredError(zeros([2]), zeros([2]), divisor: 0)
      },
      BrokenContract("beta", "smoothAbsoluteError: beta must not be negative, but is -1") {
        _ = smoothAbsoluteError(zeros([2]), zeros([2]), beta: -1)
      },
      BrokenContract("delta", "huberError: delta must be positive, not 0") {
        _ = huberError(zeros([2]), zeros([2]), delta: 0)
      },
      BrokenContract(
        "a label too large", "crossEntropy: target 3 of row 1 is not a class in 0 ..< 3"
      ) { _ = crossEntropy(zeros([2, 3]), targets: labels([0, 3]), counting: ClassCounting()) },
      BrokenContract(
        "a negative label", "negativeLogLikelihood: target -100 of row 0 is not a class in 0 ..< 3"
      ) { _ = negativeLogLikelihood(zeros([2, 3]), targets: labels([-100, 1])) },
      BrokenContract(
        "labels of float",
        "crossEntropy: a prediction of shape [2, 3] takes targets [2] of int64, "
          + "not [2] of float32"
      ) { _ = crossEntropy(zeros([2, 3]), targets: zeros([2]), counting: ClassCounting()) },
      BrokenContract(
        "labels of another shape",
        "crossEntropy: a prediction of shape [2, 3] takes targets [2] of "
          + "int64, not [2, 1] of int64"
      ) {
        _ = crossEntropy(zeros([2, 3]), targets: zeros([2, 1], .int64), counting: ClassCounting())
      },
      BrokenContract("class weights", "crossEntropy: 2 class weights for 3 classes") {
        _ = crossEntropy(
          zeros([2, 3]), targets: labels([0, 1]), counting: ClassCounting(weights: [1, 2]))
      },
      BrokenContract(
        "probabilities of another shape",
        "crossEntropy: logits of float32 [2, 3] and target probabilities of float32 [3, 2] must have "
          + "one shape and dtype"
      ) { _ = crossEntropy(zeros([2, 3]), probabilities: zeros([3, 2])) },
      BrokenContract("smoothing", "crossEntropy: label smoothing must be in 0 ... 1, not 1.5") {
        _ = ClassCounting(labelSmoothing: 1.5)
      },
    ]
  }()

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in LossTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

import CKernels
import Kernels
import Optimizers
import System
import TestSupport
import Testing

struct OptimizerTests {
  struct After: Decodable, Sendable {
    let p: [Double]
    let mean, meanOfSquares: [Double]?

    enum CodingKeys: String, CodingKey {
      case p
      case mean = "exp_avg"
      case meanOfSquares = "exp_avg_sq"
    }
  }

  struct Run: Decodable, Sendable {
    let name: String
    let after: [After]
  }

  struct Known: Decodable {
    let start: [Float]
    let gradients: [[Float]]
    let runs: [Run]
    let cosineRates: [[Double]]
  }

  static let makers: [String: (rate: Double, make: @Sendable (Int) -> any Optimizer)] = [
    "SGD": (0.01, { _ in SGD() }),
    "Adam": (0.001, { Adam(elementCount: $0) }),
    "Adam with other constants": (
      0.05, { Adam(elementCount: $0, beta1: 0.8, beta2: 0.95, epsilon: 1e-3) }
    ),
  ]

  /// Golden/optimizers.py: 20 steps. Both are float32 and round a handful of times a step, each in
  /// its own places: u = 2^-24 of what is added up.
  /// - p: a step rounds p once (u |p|) and is itself off by some 10 u: 3 u |p| + 10 u |p - start| a
  ///   step.
  /// - exp_avg: the terms of a mean of both signs; 4 u a step of the largest mean so far.
  /// - exp_avg_sq: all terms are positive; 4 u a step.
  @Test func twentyStepsArePyTorchs() throws {
    let known = try golden("optimizers.json", as: Known.self)
    let u = 0x1p-24
    #expect(Set(known.runs.map(\.name)) == Set(Self.makers.keys))
    for run in known.runs {
      let (rate, make) = try #require(Self.makers[run.name])
      let optimizer = make(known.start.count)
      var p = known.start
      var largestMean = [Double](repeating: 0, count: p.count)
      for (index, (gradients, after)) in zip(known.gradients, run.after).enumerated() {
        let step = index + 1
        p.withUnsafeMutableBufferPointer {
          optimizer.step(parameters: $0, gradients: gradients, learningRate: rate, step: step)
        }
        expectClose(p.map(Double.init), after.p, "\(run.name), p after step \(step)") {
          let way = abs(after.p[$0] - Double(known.start[$0])) + rate
          return Double(step) * u * (3 * abs(after.p[$0]) + 10 * way)
        }
        if let mean = after.mean, let square = after.meanOfSquares {
          largestMean = zip(largestMean, mean).map { max($0, abs($1)) }
          #expect(optimizer.state.map(\.name) == ["exp_avg", "exp_avg_sq"])
          expectClose(
            optimizer.state[0].arena, mean, shape: [p.count], "\(run.name), mean after step \(step)"
          ) { Double(step) * 4 * u * largestMean[$0] }
          expectClose(
            optimizer.state[1].arena, square, shape: [p.count],
            "\(run.name), square after step \(step)"
          ) { Double(step) * 4 * u * square[$0] + 1e-38 }
        } else {
          #expect(optimizer.state.isEmpty)
        }
      }
      #expect(run.after.count == 20)
    }
  }

  @Test func sgdByHand() {
    var p: [Float] = [1, 2, 3]
    p.withUnsafeMutableBufferPointer {
      SGD().step(parameters: $0, gradients: [4, 0, -8], learningRate: 0.25, step: 1)
    }
    #expect(p == [0, 2, 5])
    #expect(SGD().name == "SGD" && SGD().state.isEmpty)
  }

  /// At step 1 the means are the gradient and its square, so the step is lr g / (|g| + epsilon).
  @Test func adamsFirstStepIsTheRateWhateverTheGradient() {
    let adam = Adam(elementCount: 4)
    var p: [Float] = [0, 0, 0, 0]
    p.withUnsafeMutableBufferPointer {
      adam.step(parameters: $0, gradients: [1e-3, -1, 1e6, 0], learningRate: 0.5, step: 1)
    }
    expectClose(p.map(Double.init), [-0.5, 0.5, -0.5, 0]) { _ in 0.5 * (1e-5 + 10 * 0x1p-24) }
    #expect(adam.name == "Adam" && adam.beta1 == 0.9 && adam.beta2 == 0.999 && adam.epsilon == 1e-8)
  }

  /// The kernels reach every element and no other, and do what their twins do in double: off by at
  /// most some 10 roundings of what the step adds up.
  @Test(arguments: Array(0...70) + [255, 1000]) func kernelsAreTheirTwins(count: Int) {
    var draws = Draws(case: count)
    let g = draws.floats(count)
    let start = draws.floats(count + 1)
    func doubles(_ x: [Float]) -> [Double] { x.prefix(count).map(Double.init) }
    func twin(_ x: inout [Double], _ body: (Reference.Elements<Double>) -> Void) {
      x.withUnsafeMutableBufferPointer { body($0) }
    }
    var gradients = doubles(g)

    var (p, expected) = (start, doubles(start))
    nd_sgd(&p, g, count, 0.125)
    twin(&expected) { p in twin(&gradients) { Reference.sgd(p, nil, $0, lr: 0.125) } }
    expectClose(doubles(p), expected, "\(draws)") { _ in 2 * 0x1p-24 }
    #expect(p[count] == start[count])

    let adam = Adam(elementCount: count)
    (p, expected) = (start, doubles(start))
    var (m, v) = (expected.map { _ in 0.0 }, expected.map { _ in 0.0 })
    for step in 1...3 {
      p.withUnsafeMutableBufferPointer {
        adam.step(
          parameters: UnsafeMutableBufferPointer(rebasing: $0[..<count]), gradients: g,
          learningRate: 0.125, step: step)
      }
      twin(&expected) { p in
        twin(&m) { m in
          twin(&v) { v in
            twin(&gradients) {
              Reference.adam(
                p, m, v, $0, t: step, lr: 0.125, beta1: 0.9, beta2: 0.999, epsilon: 1e-8)
            }
          }
        }
      }
      expectClose(doubles(p), expected, "step \(step), \(draws)") { _ in
        Double(step) * 10 * 0x1p-24
      }
    }
    #expect(p[count] == start[count])
  }

  /// Moments that die out are flushed to zero, inside the kernel alone.
  @Test func denormalNumbersOutsideAdamAreUntouched() {
    let adam = Adam(elementCount: 20)
    adam.state[0].arena.pointer(Float.self).update(
      repeating: .leastNormalMagnitude / 16, count: 20)
    var p = [Float](repeating: 1, count: 20)
    let zeros = [Float](repeating: 0, count: 20)
    p.withUnsafeMutableBufferPointer {
      adam.step(parameters: $0, gradients: zeros, learningRate: 0.1, step: 1)
    }
    #expect(p == [Float](repeating: 1, count: 20))
    #expect(adam.state[0].arena.values(Float.self) == zeros)
    var (half, sum) = (Float.leastNormalMagnitude, [Float(0)])
    half /= 2
    nd_add(&sum, [half], [0], 1)
    #expect(half > 0 && sum == [half])
  }

  /// The chained form that CosineAnnealingLR computes is off by a few 2^-53 a step.
  @Test func cosineRatesArePyTorchs() throws {
    for rates in try golden("optimizers.json", as: Known.self).cosineRates {
      let total = rates.count
      let ours = (1...total).map { Schedule.cosine.rate(base: 0.1, step: $0, totalSteps: total) }
      expectClose(ours, rates, "\(total) steps") { _ in 0.1 * 1e-14 * Double(total) }
    }
  }

  @Test func schedulesByHand() {
    #expect(Schedule.constant.rate(base: 0.3, step: 7, totalSteps: 9) == 0.3)
    #expect(Schedule.cosine.rate(base: 0.3, step: 1, totalSteps: 4) == 0.3)
    #expect(abs(Schedule.cosine.rate(base: 0.3, step: 3, totalSteps: 4) - 0.15) < 1e-16)
    #expect(Schedule.cosine.rate(base: 0.3, step: 5, totalSteps: 4) == 0)
  }

  @Test func aStepOverAnotherArenaTraps() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var p: [Float] = [1, 2]
      p.withUnsafeMutableBufferPointer {
        Adam(elementCount: 3).step(parameters: $0, gradients: [1, 1], learningRate: 1, step: 1)
      }
    }
    BrokenContract("another arena", "Adam was made for another arena") {}.expectMessage(result)
  }
}

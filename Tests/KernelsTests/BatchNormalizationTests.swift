import Kernels
import Tensors
import TestSupport
import Testing

/// Compares the fused float32 kernels with the same formulas in double by the generic kernels.
struct BatchNormalizationTests {
  private struct Case: CustomStringConvertible {
    let description: String
    let x, dy, weight, bias: [Float]
    let shape: Shape

    init(_ number: Int) {
      var draws = Draws(case: number)
      let (n, channels) = (draws.int(1...5), draws.int(1...7))
      // Runs with every remainder of the 8 lanes, and runs of one element, as in [N, C].
      let inner = draws.int(1...40)
      shape = inner == 1 ? [n + 1, channels] : [n + 1, channels, inner]
      let count = shape.elementCount
      // Means far from zero compared to the deviation, where a careless formula loses digits.
      let middle = Float(draws.int(0...20))
      x = draws.floats(count).map { $0 + middle }
      (dy, weight, bias) = (draws.floats(count), draws.floats(channels), draws.floats(channels))
      description = "case \(number), \(shape)"
    }

    func tensor(_ values: [Float], _ shape: Shape? = nil) -> Tensor {
      Tensor(values, shape: shape ?? self.shape)
    }
    func wide(_ values: [Float]) -> Tensor { Tensor(values.map(Double.init), shape: shape) }
    var channels: Int { shape[1] }
    /// The channel of an element.
    func channel(_ index: Int) -> Int { index / shape.dropFirst(2).reduce(1, *) % channels }
  }

  /// A few roundings of float32 (6e-8 each) of values up to 20, over deviations around 0.5.
  private func isClose(_ found: [Float], _ expected: [Double], _ name: String) {
    #expect(found.count == expected.count)
    for (i, (a, b)) in zip(found, expected).enumerated()
    where abs(Double(a) - b) > 2e-5 * max(abs(b), 1) {
      Issue.record("\(name), element \(i): \(a), not \(b)")
      return
    }
  }

  @Test func momentsMatchDouble() {
    for number in 0..<300 {
      let c = Case(number)
      let (found, expected) = (Moments(ofChannels: c.tensor(c.x)), Moments(ofChannels: c.wide(c.x)))
      for i in 0..<c.channels {
        #expect(abs(found.means[i] - expected.means[i]) < 1e-12 * 20, "\(c)")
        #expect(abs(found.variances[i] - expected.variances[i]) < 1e-12 * 20, "\(c)")
      }
    }
  }

  @Test func deviationsMatchDouble() {
    for number in 0..<300 {
      let c = Case(number)
      let means = (0..<c.channels).map { 3 + Double($0) / 3 }
      let found = channelDeviations(c.tensor(c.x), from: means)
      var (sums, squares) = (means.map { _ in 0.0 }, means.map { _ in 0.0 })
      for (i, value) in c.x.enumerated() {
        let distance = Double(value) - means[c.channel(i)]
        sums[c.channel(i)] += distance
        squares[c.channel(i)] += distance * distance
      }
      // Double's roundings (1e-16) of 200 squares of up to 20 * 20.
      for i in 0..<c.channels {
        #expect(abs(found.sums[i] - sums[i]) < 1e-10, "\(c)")
        #expect(abs(found.squares[i] - squares[i]) < 1e-9, "\(c)")
      }
    }
  }

  @Test(arguments: [true, false]) func valuesAndGradientsMatchDouble(momentsAreOwn: Bool) {
    for number in 0..<300 {
      let c = Case(number)
      let epsilon = 1e-2
      var moments = Moments(ofChannels: c.wide(c.x))
      if !momentsAreOwn {
        moments = Moments(
          means: moments.means.map { $0 + 0.5 }, variances: moments.variances.map { $0 + 1 })
      }
      let xhat = normalizedChannels(c.wide(c.x), moments, epsilon: epsilon).values(Double.self)
      let (weight, bias) = (c.tensor(c.weight, [c.channels]), c.tensor(c.bias, [c.channels]))
      let y = batchNormalized(
        c.tensor(c.x), moments, weight: weight, bias: bias, epsilon: epsilon)
      isClose(
        y.values(Float.self),
        xhat.enumerated().map {
          Double(c.weight[c.channel($0)]) * $1 + Double(c.bias[c.channel($0)])
        },
        "\(c): y")

      let upper = c.dy.enumerated().map { Double($1) * Double(c.weight[c.channel($0)]) }
      let dxhat = Tensor(upper, shape: c.shape)
      let dx =
        momentsAreOwn
        ? normalizedChannelsBackward(
          dxhat, xhat: Tensor(xhat, shape: c.shape), moments, epsilon: epsilon)
        : normalizedChannels(
          dxhat, Moments(means: moments.means.map { _ in 0 }, variances: moments.variances),
          epsilon: epsilon)
      let found = batchNormalizedBackward(
        c.tensor(c.dy), x: c.tensor(c.x), moments, weight: weight, epsilon: epsilon,
        momentsAreOwn: momentsAreOwn)
      isClose(found.dx.values(Float.self), dx.values(Double.self), "\(c): dx")
      var (dweight, dbias) = ([Double](repeating: 0, count: c.channels), [Double]())
      dbias = dweight
      for (i, g) in c.dy.enumerated() {
        dweight[c.channel(i)] += Double(g) * xhat[i]
        dbias[c.channel(i)] += Double(g)
      }
      isClose(found.dweight.values(Float.self), dweight, "\(c): dweight")
      isClose(found.dbias.values(Float.self), dbias, "\(c): dbias")
    }
  }

  /// Compares the 2 x 2 kernel with the generic one, which float64 takes. Values and places are
  /// equal to the bit.
  @Test func poolingOfTwoByTwoMatchesTheGenericKernel() {
    for number in 0..<300 {
      var draws = Draws(case: number)
      let shape: Shape = [draws.int(1...3), draws.int(1...3), draws.int(2...19), draws.int(2...37)]
      // Many equal values, and a few that are NaN or infinite.
      let values = (0..<shape.elementCount).map { _ -> Float in
        switch draws.int(0...40) {
        case 0: .nan
        case 1: -.infinity
        default: Float(draws.int(-2...2))
        }
      }
      let (y, places) = maxPool(Tensor(values, shape: shape), kernel: 2, stride: 2, padding: 0)
      let (wide, expected) = maxPool(
        Tensor(values.map(Double.init), shape: shape), kernel: 2, stride: 2, padding: 0)
      #expect(places.values(Int32.self) == expected.values(Int32.self), "\(draws)")
      for (a, b) in zip(y.values(Float.self), wide.values(Double.self)) {
        #expect(Double(a) == b || (a.isNaN && b.isNaN), "\(draws)")
      }
    }
  }
}

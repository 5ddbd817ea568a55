import Autograd
import Tensors
import TestSupport
import Testing

/// The derivatives of the ops of feed-forward layers against finite differences.
struct FeedForwardGradientTests {
  private func leaf(_ shape: Shape, _ draws: inout Draws) -> Tensor {
    draws.laidOut(draws.doubles(shape.elementCount), shape: shape)
  }

  /// Values that no step of the differences brings past one another, nor past 0 or 0.5, where
  /// these ops have kinks.
  private func spread(_ shape: Shape, _ draws: inout Draws) -> Tensor {
    var values = (0..<shape.elementCount).map {
      (Double($0) + 0.25) * 0.1 - 0.05 * Double(shape.elementCount)
    }
    for i in values.indices { values.swapAt(i, draws.int(0...i)) }
    return draws.laidOut(values.map { abs($0 - 0.5) < 1e-3 ? 0.51 : $0 }, shape: shape)
  }

  @Test func convolutions() {
    for number in 0..<30 {
      var draws = Draws(case: number)
      let groups = draws.int(1...2)
      let (inputs, outputs) = (groups * draws.int(1...2), groups * draws.int(1...2))
      let kernel = HeightWidth(draws.int(1...3), draws.int(1...3))
      let stride = HeightWidth(draws.int(1...3), draws.int(1...3))
      let padding = HeightWidth(draws.int(0...2), draws.int(0...2))
      let dilation = HeightWidth(draws.int(1...2), draws.int(1...2))
      let x = leaf([draws.int(1...2), inputs, draws.int(5...6), draws.int(5...6)], &draws)
      let weight = leaf([outputs, inputs / groups, kernel.height, kernel.width], &draws)
      let bias = leaf([outputs], &draws)
      expectGradientsMatchFiniteDifferences([x, weight, bias], "conv2d, \(draws)") {
        conv2d(
          $0[0], weight: $0[1], bias: $0[2], stride: stride, padding: padding, dilation: dilation,
          groups: groups)
      }
      let back = leaf([inputs, outputs / groups, kernel.height, kernel.width], &draws)
      let extra = HeightWidth(
        draws.int(0...max(stride.height, dilation.height) - 1),
        draws.int(0...max(stride.width, dilation.width) - 1))
      expectGradientsMatchFiniteDifferences([x, back, bias], "convTranspose2d, \(draws)") {
        convTranspose2d(
          $0[0], weight: $0[1], bias: $0[2], stride: stride, padding: padding,
          outputPadding: extra, groups: groups, dilation: dilation)
      }
    }
  }

  @Test func poolings() {
    for number in 0..<20 {
      var draws = Draws(case: number)
      let kernel = HeightWidth(draws.int(1...3), draws.int(1...3))
      let stride = HeightWidth(draws.int(1...3), draws.int(1...3))
      let padding = HeightWidth(draws.int(0...kernel.height / 2), draws.int(0...kernel.width / 2))
      let x = spread([2, draws.int(1...2), draws.int(3...6), draws.int(3...6)], &draws)
      expectGradientsMatchFiniteDifferences([x], "maxPool2d, \(draws)") {
        maxPool2d($0[0], kernel: kernel, stride: stride, padding: padding)
      }
      for countsPadding in [true, false] {
        expectGradientsMatchFiniteDifferences([x], "avgPool2d, \(draws)") {
          avgPool2d(
            $0[0], kernel: kernel, stride: stride, padding: padding, countsPadding: countsPadding)
        }
      }
      expectGradientsMatchFiniteDifferences([x], "adaptiveAvgPool2d, \(draws)") {
        adaptiveAvgPool2d($0[0], size: kernel)
      }
    }
  }

  @Test(arguments: [[1], [5], [3, 4], [2, 1, 3]] as [Shape])
  func activations(shape: Shape) {
    var draws = Draws(case: shape.elementCount)
    let x = spread(shape, &draws)
    for (name, function) in [
      ("leakyRelu", { $0.leakyRelu(slope: 0.2) }), ("gelu", { $0.gelu() }),
      ("silu", { $0.silu() }),
      ("threshold", { $0.threshold(limit: 0.5, value: 3) }),
    ] as [(String, (Tensor) -> Tensor)] {
      expectGradientsMatchFiniteDifferences([x], name) { function($0[0]) }
    }
    for axis in 0..<shape.count {
      expectGradientsMatchFiniteDifferences([x], "softmax") { $0[0].softmax(axis: axis) }
      expectGradientsMatchFiniteDifferences([x], "logSoftmax") { $0[0].logSoftmax(axis: axis) }
    }
    let key = RandomKey(seed: 1, step: 2, samples: Array(0..<shape[0]), layer: "a")
    expectGradientsMatchFiniteDifferences([x], "dropout") {
      dropout($0[0], rate: 0.4, key: key)
    }
  }

  @Test(arguments: [[3, 2], [2, 3, 4], [2, 2, 3, 2]] as [Shape])
  func normalizations(shape: Shape) {
    var draws = Draws(case: shape.elementCount)
    let (x, weight, bias) = (
      leaf(shape, &draws), leaf([shape[1]], &draws), leaf([shape[1]], &draws)
    )
    expectGradientsMatchFiniteDifferences([x, weight, bias], "batchNorm") {
      batchNorm($0[0], weight: $0[1], bias: $0[2], epsilon: 1e-2)
    }
    let running = RunningStatistics(
      mean: Tensor(draws.doubles(shape[1]), shape: [shape[1]]),
      variance: Tensor(draws.doubles(shape[1]).map { $0 + 1.5 }, shape: [shape[1]]))
    expectGradientsMatchFiniteDifferences([x, weight, bias], "batchNorm, evaluating") {
      batchNorm($0[0], weight: $0[1], bias: $0[2], using: running)
    }
    let last: Shape = [shape[shape.count - 1]]
    let (gain, shift) = (leaf(last, &draws), leaf(last, &draws))
    expectGradientsMatchFiniteDifferences([x, gain, shift], "layerNorm") {
      layerNorm($0[0], over: last, weight: $0[1], bias: $0[2], epsilon: 1e-2)
    }
  }

  @Test func embeddings() {
    var draws = Draws(case: 1)
    let indices = Tensor([2, 0, 2, 1, 2, 0] as [Int64], shape: [2, 3])
    expectGradientsMatchFiniteDifferences([leaf([4, 3], &draws)], "embedding") {
      embedding(indices, weight: $0[0])
    }
  }

  /// A parameter in an arena gets its gradient there, whatever stood there before.
  @Test func parametersGradientsAreWrittenIntoTheArena() {
    var draws = Draws(case: 1)
    func seated(_ shape: Shape) -> (leaf: Tensor, gradient: Tensor) {
      let leaf = Tensor(draws.floats(shape.elementCount), shape: shape)
      leaf.requiresGrad = true
      let gradient = Tensor(draws.floats(shape.elementCount), shape: shape)
      leaf.adopt(leaf.storage, offset: 0, gradient: gradient)
      return (leaf, gradient)
    }
    let x = Tensor(draws.floats(2 * 3 * 25), shape: [2, 3, 5, 5])
    let (weight, bias, back, table) = (
      seated([4, 3, 3, 3]), seated([4]), seated([4, 2, 2, 2]), seated([5, 2])
    )
    func loss(_ weight: Tensor, _ bias: Tensor, _ back: Tensor, _ table: Tensor) -> Tensor {
      let y = convTranspose2d(conv2d(x, weight: weight, bias: bias), weight: back)
      let rows = embedding(Tensor([1, 1, 4] as [Int64], shape: [3]), weight: table)
      return (y * y).sum() + (rows * rows).sum()
    }
    let arena = [weight, bias, back, table]
    let plain = arena.map { Tensor($0.leaf.values(Float.self), shape: $0.leaf.shape) }
    for leaf in plain { leaf.requiresGrad = true }
    loss(weight.leaf, bias.leaf, back.leaf, table.leaf).backward()
    loss(plain[0], plain[1], plain[2], plain[3]).backward()
    for (seat, leaf) in zip(arena, plain) {
      #expect(seat.leaf.grad === seat.gradient)
      #expect(seat.gradient.bits == leaf.grad!.bits)
    }
  }
}

import Kernels
import Tensors
import TestSupport
import Testing

/// Compares images with the channels innermost with the same images in row-major layout.
struct ChannelsLastTests {
  private static let shapes: [Shape] = [
    [1, 1, 1, 1], [2, 3, 5, 7], [3, 16, 13, 13], [2, 17, 4, 6], [1, 64, 5, 5], [4, 1, 6, 3],
    [2, 33, 1, 9], [3, 5, 2, 2],
  ]

  /// Many equal values, zeros of both signs, and sometimes NaN or infinity.
  private func values(_ shape: Shape, _ draws: inout Draws) -> [Float] {
    (0..<shape.elementCount).map { _ in
      draws.int(0...50) == 0
        ? draws.pick([.nan, -.infinity, .infinity, -0.0]) : Float(draws.int(-2...2))
    }
  }

  @Test func layoutDoesNotChangeImages() {
    for (number, shape) in Self.shapes.enumerated() {
      var draws = Draws(case: number)
      let x = Tensor(draws.floats(shape.elementCount), shape: shape)
      let permuted = x.channelsLast()
      #expect(permuted.isChannelsLast && permuted.shape == shape)
      #expect(permuted.bits == x.bits && permuted.contiguous().isContiguous)
      #expect(permuted.permutedView([0, 2, 3, 1]).isContiguous)
      let wide = Tensor(draws.doubles(shape.elementCount), shape: shape)
      #expect(wide.channelsLast().values(Double.self) == wide.values(Double.self))
      #expect(draws.laidOut(x.values(Float.self), shape: shape).channelsLast().bits == x.bits)
    }
    #expect(!Tensor(zeros: [2, 3, 4, 5]).isChannelsLast && !Tensor(zeros: [2, 3]).isChannelsLast)
  }

  @Test func reluAndPoolingGiveTheSameBits() {
    for (number, shape) in Self.shapes.enumerated() {
      var draws = Draws(case: number)
      let x = Tensor(values(shape, &draws), shape: shape)
      let permuted = x.channelsLast()
      let y = relu(x)
      #expect(relu(permuted).bits == y.bits, "\(shape)")
      #expect(relu(permuted).strides == permuted.strides, "\(shape)")
      let dy = Tensor(draws.floats(shape.elementCount), shape: shape)
      let dx = reluBackward(dy, y: y).bits
      #expect(reluBackward(dy, y: y.channelsLast()).bits == dx, "\(shape)")
      #expect(reluBackward(dy.channelsLast(), y: y.channelsLast()).bits == dx, "\(shape)")

      guard shape[2] > 1 && shape[3] > 1 else { continue }
      let pooled = maxPool(x, kernel: 2, stride: 2, padding: 0)
      let other = maxPool(permuted, kernel: 2, stride: 2, padding: 0)
      let isLast = poolsChannelsLast(permuted, kernel: 2, stride: 2, padding: 0)
      #expect(isLast == !permuted.isContiguous, "\(shape)")
      #expect(other.y.bits == pooled.y.bits, "\(shape)")
      #expect(other.places.values(Int32.self) == pooled.places.values(Int32.self), "\(shape)")
      let flow = Tensor(draws.floats(pooled.y.elementCount), shape: pooled.y.shape)
      let scattered = maxPoolBackward(flow, places: pooled.places, shape: shape)
      let back = maxPoolBackward(
        flow, places: other.places, shape: shape, isChannelsLast: isLast)
      // One of them adds gradients to 0, which turns -0 into +0.
      #expect(back.values(Float.self) == scattered.values(Float.self), "\(shape)")
    }
  }

  /// The same float32 numbers are added in double in another order. The sums differ by far less
  /// than their rounding, except for sums near 0.
  @Test func channelSumsAreTheSame() {
    for (number, shape) in Self.shapes.enumerated() {
      var draws = Draws(case: number)
      let x = Tensor(draws.floats(shape.elementCount), shape: shape)
      let expected = channelSums(x).values(Float.self)
      for (a, b) in zip(channelSums(x.channelsLast()).values(Float.self), expected) {
        #expect(abs(a - b) <= max(abs(b), 1e-6) * 0x1p-22, "\(shape)")
      }
    }
  }

  /// Both convolutions sum k products of float32 in some order.
  @Test func convolutionsAgree() {
    for (number, channels) in [(1, 16), (16, 64), (3, 5), (64, 128), (16, 16), (7, 1)].enumerated()
    {
      var draws = Draws(case: number)
      let x = Tensor(draws.floats(2 * channels.0 * 49), shape: [2, channels.0, 7, 7])
      let w = Tensor(
        draws.floats(channels.0 * channels.1 * 9), shape: [channels.1, channels.0, 3, 3])
      let bias = Tensor(draws.floats(channels.1), shape: [channels.1])
      let s = ConvolutionShape(
        x: x.shape, weight: w.shape, stride: 1, padding: draws.pick([0, 1]), dilation: 1, groups: 1)
      let dy = Tensor(draws.floats(s.outputShape.elementCount), shape: s.outputShape)
      func wide(_ x: Tensor) -> Tensor {
        Tensor(x.values(Float.self).map(Double.init), shape: x.shape)
      }
      func compare(_ found: Tensor, _ expected: Tensor, terms: Int, _ what: String) {
        expectClose(found, expected.values(Double.self), shape: expected.shape, "\(what) \(s)") {
          _ in
          Double(terms * terms) * 0x1p-24 + 1e-6
        }
      }
      let permuted = convolutionInput(x, s)
      let y = convolve(permuted, w, bias: bias, s)
      #expect(permuted.isChannelsLast && y.isChannelsLast)
      compare(y, convolve(wide(x), wide(w), bias: wide(bias), s), terms: 9 * channels.0, "y")
      let dx = convolutionInputGradient(dy.channelsLast(), w, s)
      #expect(dx.isChannelsLast)
      compare(dx, convolutionInputGradient(wide(dy), wide(w), s), terms: 9 * channels.1, "dx")
      compare(
        convolutionWeightGradient(permuted, dy, s),
        convolutionWeightGradient(wide(x), wide(dy), s), terms: 98, "dw")
    }
  }
}

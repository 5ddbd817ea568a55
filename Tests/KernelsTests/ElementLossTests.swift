import CKernels
import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

/// Compares sigmoid and the element losses, which use elementary functions of our own, with the
/// reference.
struct ElementLossTests {
  private static let u = 0x1p-24  // of float32: half a unit in the last place

  private static let sizes = Array(0...70) + [255, 256, 257, 511, 512, 513, 1025, 5000]

  private func reference(
    _ x: [Float], _ y: [Float],
    _ body: (Reference.Elements<Float>, Reference.Elements<Float>, Reference.Elements<Float>) ->
      Void
  ) -> [UInt32] {
    var (x, y, z) = (x, y, [Float](repeating: 55, count: x.count))
    x.withUnsafeMutableBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        z.withUnsafeMutableBufferPointer { z in body(x, y, z) }
      }
    }
    return z.bits
  }

  /// e^-|x| is accurate to 1 unit in the last place (2 u); the sum and the quotient round once
  /// each.
  @Test func sigmoidIsAccurateToFourHalfUnits() {
    let x = (-87 * 512...87 * 512).map { Float($0) / 512 }
    let y = apply(.sigmoid, unaligned(x, by: 3)).asDoubles
    let exact = x.map { 1 / (1 + exp(-Double($0))) }
    expectClose(y, exact) { 4 * Self.u * exact[$0] }
  }

  @Test func sigmoidOfExtremesIsItsLimit() {
    let x: [Float] = [0, -0.0, 88, -88, .infinity, -.infinity, .nan, 3e38, -3e38, 1e-45]
    #expect(
      apply(.sigmoid, unaligned(x, by: 1)).bits
        == ([0.5, 0.5, 1, 0, 1, 0, .nan, 1, 0, 0.5] as [Float]).bits)
  }

  /// The lanes of vectors and the remaining elements give the same bits.
  @Test func bitsDoNotDependOnThePosition() {
    var draws = Draws(case: 1)
    let x = draws.floats(1000).map { $0 * 20 }
    let whole = apply(.sigmoid, unaligned(x, by: 0)).bits
    for place in [0, 1, 17, 500, 999] {
      #expect(apply(.sigmoid, unaligned([x[place]], by: 5)).bits == [whole[place]])
    }
    let (p, t) = (x.map { abs($0) / 20 }, x.map { $0 > 0 ? Float(1) : 0 })
    for place in [0, 3, 16, 998, 999] {
      let one = nd_binary_cross_entropy([p[place]], [t[place]], 1)
      // As one of 16 elements and as one of many; the others are zeros with a target of 0, whose
      // loss is 0.
      for count in [16, 600] {
        var (others, targets) = (
          [Float](repeating: 0, count: count), [Float](repeating: 0, count: count)
        )
        (others[count - 1], targets[count - 1]) = (p[place], t[place])
        #expect(nd_binary_cross_entropy(others, targets, count) == one)
      }
    }
  }

  @Test func derivativesMatchTheReferenceBitForBit() {
    for count in Self.sizes {
      var draws = Draws(case: count)
      let x = draws.floats(count).map { abs($0) }
      let y = draws.floats(count).map { $0 > 0 ? abs($0) : Float(draws.int(0...1)) }
      let (left, right) = (unaligned(x, by: count % 17), unaligned(y, by: 3))
      let squared = reference(x, y) { Reference.squaredErrorBackward($0, $1, $2, scale: 0.375) }
      #expect(lossGradient(.squaredError, left, right, scale: 0.375).bits == squared, "\(draws)")
      let entropy = reference(x, y) {
        Reference.binaryCrossEntropyBackward($0, $1, $2, scale: 1 / 3.0)
      }
      #expect(
        lossGradient(.binaryCrossEntropy, left, right, scale: 1 / 3.0).bits == entropy, "\(draws)")
    }
    // Where the prediction is 0 or 1, the divisor is its lower bound.
    let certain = Tensor([0, 1, 0, 1] as [Float], shape: [4])
    let targets = Tensor([0, 0, 1, 1] as [Float], shape: [4])
    #expect(
      lossGradient(.binaryCrossEntropy, certain, targets, scale: 1).values(Float.self)
        == [0, 1 / 1e-12, -1 / 1e-12, 0])
  }

  /// Squares round once; sums are in double.
  @Test func squaredErrorMatchesTheReference() {
    for count in Self.sizes {
      var draws = Draws(case: count)
      let (x, y) = (draws.floats(count), draws.floats(count))
      let exact = zip(x, y).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      let sum = lossSum(.squaredError, unaligned(x, by: 2), unaligned(y, by: count % 5))
      #expect(abs(sum - exact) <= exact * Double(count) * 0x1p-53, "\(draws)")
    }
  }

  /// Compared with double: a logarithm is accurate to 1 unit in the last place (2 u), and three
  /// operations of float32 follow.
  @Test func binaryCrossEntropyMatchesDouble() {
    for count in Self.sizes {
      var draws = Draws(case: count)
      let tiny: [Float] = [0, 1, 1e-45, 1e-40, 1.1e-38, 1.2e-38, 1e-20, 1e-8, 0.5, 1 - 0x1p-24]
      let x = draws.floats(count).map { draws.int(0...2) == 0 ? draws.pick(tiny) : abs($0) }
      let y = draws.floats(count).map { draws.int(0...2) == 0 ? abs($0) : Float(draws.int(0...1)) }
      var (doubles, targets) = (x.map(Double.init), y.map(Double.init))
      let exact = doubles.withUnsafeMutableBufferPointer { x in
        targets.withUnsafeMutableBufferPointer { Reference.binaryCrossEntropy(x, $0) }
      }
      let sum = lossSum(.binaryCrossEntropy, unaligned(x, by: count % 17), unaligned(y, by: 1))
      // All terms are positive, so nothing cancels.
      #expect(abs(sum - exact) <= exact * 6 * Self.u, "\(sum), not \(exact), \(draws)")
    }
  }

  @Test func oneElementThatIsNoProbabilityIsFoundAnywhere() {
    for count in 0...70 {
      var x = [Float](repeating: 0, count: count).enumerated().map { Float($0.offset % 2) }
      #expect(areProbabilities(unaligned(x, by: 1)))
      for place in 0..<count {
        let before = x[place]
        for value in [-1e-45, 1 + 0x1p-23, .nan, .infinity, -.infinity] as [Float] {
          x[place] = value
          #expect(!areProbabilities(unaligned(x, by: 1)), "\(value) at \(place) of \(count)")
        }
        x[place] = before
      }
    }
    #expect(areProbabilities(Tensor([0.5, 1], shape: [2])))
    #expect(!areProbabilities(Tensor([0.5, 1.5], shape: [2])))
  }
}

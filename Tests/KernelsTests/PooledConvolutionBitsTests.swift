import CKernels
import Kernels
import Tensors
import TestSupport
import Testing

/// Compares the pooled convolution with its reference, to the bit, on every instruction set of this
/// processor.
struct PooledConvolutionBitsTests {
  private static let sets = [nd_none, nd_avx2, nd_avx512].filter {
    $0.rawValue <= nd_matmul_best_set().rawValue
  }

  private struct Case {
    let shape: ConvolutionShape
    let both: PooledConvolution
    let x, weight, bias: Tensor
    let y, places, dy: Tensor

    init(_ draws: inout Draws) {
      let inChannels = draws.pick([1, 1, 3, 5, 16, 16, 20, 64])
      let outChannels = draws.pick([2, 5, 16, 24, 33, 48, 64])
      let kernel = draws.pick([
        HeightWidth(1, 1), HeightWidth(3, 3), HeightWidth(3, 3), HeightWidth(5, 5),
        HeightWidth(2, 4),
      ])
      let (stride, padding) = (
        HeightWidth(draws.pick([1, 1, 2]), draws.pick([1, 1, 2])),
        draws.pick([HeightWidth(0, 0), HeightWidth(1, 1), HeightWidth(0, 2)])
      )
      // The output has at least 2 rows and columns; an odd last one has no window.
      func extent(_ kernel: Int, _ stride: Int) -> Int { kernel + stride + draws.int(0...8) }
      let x: Shape = [
        draws.int(1...5), inChannels, extent(kernel.height, stride.height),
        extent(kernel.width, stride.width),
      ]
      let weight: Shape = [outChannels, inChannels, kernel.height, kernel.width]
      shape = ConvolutionShape(
        x: x, weight: weight, stride: stride, padding: padding, dilation: 1, groups: 1)
      self.x = convolutionInput(Tensor(draws.floats(x.elementCount), shape: x), shape)
      self.weight = Tensor(draws.floats(weight.elementCount), shape: weight)
      bias = Tensor(draws.floats(outChannels), shape: [outChannels])
      both = PooledConvolution(
        self.x, shape, window: 2, stride: 2, padding: 0, precision: .float32)!
      (y, places) = both.forward(self.x, self.weight, bias: bias)
      // ReLU gives zeros, here of either sign.
      let density = draws.pick([0, 1, 5, 10])
      let flow = (0..<y.elementCount).map { _ in
        draws.int(0...9) < density ? draws.float() : draws.pick([0, -0.0])
      }
      dy = Tensor(flow, shape: y.shape).channelsLast()
    }
  }

  @Test func forwardMatchesTheReferenceBitForBit() {
    for number in 0..<RandomCases.pooledConvolution {
      var draws = Draws(case: number)
      let c = Case(&draws)
      let bias = draws.pick([true, false]) ? c.bias : nil
      // NaN is the largest element. Whole numbers give many equal elements.
      let x = Tensor(uninitializedChannelsLast: c.x.shape)
      for i in 0..<x.elementCount {
        x.pointer(Float.self)[i] =
          number % 3 == 0 ? Float(draws.int(-1...1)) : c.x.pointer(Float.self)[i]
      }
      if number % 4 == 0 { x.pointer(Float.self)[x.elementCount / 2] = .nan }
      var y = [Float](repeating: .nan, count: c.y.elementCount)
      var places = [Int32](repeating: -1, count: c.y.elementCount)
      Reference.pooledConvolution(
        x.values(Float.self), c.weight.values(Float.self), bias?.values(Float.self), &y, &places,
        c.shape)
      for set in Self.sets {
        let found = c.both.forward(x, c.weight, bias: bias, on: set)
        let what = "\(set), \(c.shape), \(draws)"
        #expect(
          zip(found.y.values(Float.self), y).allSatisfy {
            $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN)
          }, "\(what)")
        #expect(found.places.values(Int32.self) == places, "\(what)")
      }
    }
  }

  private func reference(
    _ c: Case, _ operand: Tensor, _ shape: Shape,
    _ gradient: (
      UnsafePointer<Float>, UnsafePointer<Int32>, UnsafePointer<Float>,
      UnsafeMutablePointer<Float>, ConvolutionShape
    ) -> Void
  ) -> [UInt32] {
    var result = [Float](repeating: .nan, count: shape.elementCount)
    gradient(
      c.dy.values(Float.self), c.places.values(Int32.self), operand.values(Float.self), &result,
      c.both.shape)
    return result.map(\.bitPattern)
  }

  @Test func gradientsMatchTheReferenceBitForBit() {
    for number in 0..<RandomCases.pooledConvolution {
      var draws = Draws(case: number)
      let c = Case(&draws)
      let dw = reference(c, c.x, c.shape.weightShape, Reference.pooledConvolutionWeightGradient)
      let dx = reference(c, c.weight, c.shape.inputShape, Reference.pooledConvolutionInputGradient)
      for set in Self.sets {
        let what = "\(set), \(c.shape), \(draws)"
        let destination = Guarded(c.shape.weightShape, at: draws.int(0...17))
        let weightGradient = c.both.weightGradient(
          c.dy, places: c.places, c.x, into: destination.tensor, on: set)
        #expect(weightGradient.bits == dw && destination.guardsAreIntact, "dweight, \(what)")
        #expect(
          c.both.inputGradient(c.dy, places: c.places, c.weight, on: set).bits == dx,
          "dx, \(what)")
      }
    }
  }

  /// bfloat16 is computed as float32 of rounded operands.
  @Test func bfloat16RoundsTheOperandsOfAllThree() {
    for number in 0..<40 {
      var draws = Draws(case: number)
      let c = Case(&draws)
      func rounded(_ x: Tensor) -> Tensor {
        let values = x.values(Float.self).map(Reference.roundedToBF16)
        let copy = Tensor(values, shape: x.shape)
        return x.isContiguous ? copy : copy.channelsLast()
      }
      let both = PooledConvolution(
        c.x, c.shape, window: 2, stride: 2, padding: 0, precision: .bf16)!
      let (x, weight) = (rounded(c.x), rounded(c.weight))
      let (y, places) = both.forward(c.x, c.weight, bias: c.bias)
      let expected = c.both.forward(x, weight, bias: c.bias)
      #expect(y.bits == expected.y.bits, "\(draws)")
      #expect(places.values(Int32.self) == expected.places.values(Int32.self), "\(draws)")
      let found = both.gradients(
        c.dy, places: places, c.x, c.weight, wantsInput: true, wantsWeight: true, into: nil)
      let gradients = c.both.gradients(
        rounded(c.dy), places: places, x, weight, wantsInput: true, wantsWeight: true, into: nil)
      #expect(found.weight!.bits == gradients.weight!.bits, "dweight, \(draws)")
      #expect(found.input!.bits == gradients.input!.bits, "dx, \(draws)")
    }
  }

  /// The gradients of the same elements in a whole output of zeros: oneDNN's sums of k products, in
  /// another order.
  @Test func gradientsMatchThoseOfTheWholeOutput() {
    for number in 0..<40 {
      var draws = Draws(case: number)
      let c = Case(&draws)
      let s = c.both.shape
      let whole = maxPoolBackward(
        c.dy, places: c.places.contiguous(), shape: s.outputShape, isChannelsLast: false)
      let (dw, dx) = (
        convolutionWeightGradient(c.x, whole, s), convolutionInputGradient(whole, c.weight, s)
      )
      let found = c.both.gradients(
        c.dy, places: c.places, c.x, c.weight, wantsInput: true, wantsWeight: true, into: nil)
      // Elements are less than 1 in magnitude, and so are products; see Higham, Accuracy and
      // Stability, 3.1.
      func compare(_ found: Tensor?, _ expected: Tensor, terms: Int, _ what: String) {
        expectClose(found!, expected.asDoubles, shape: expected.shape, "\(what), \(s), \(draws)") {
          _ in Double(terms * terms) * 0x1p-23
        }
      }
      compare(found.weight, dw, terms: c.dy.elementCount / s.outChannels, "dweight")
      compare(found.input, dx, terms: s.outChannels * s.kernel.product, "dx")
    }
  }

  /// Nonfinite values must reach the gradients, as training checks them. A dy of 0 times an
  /// infinite pixel is skipped.
  @Test func nonfiniteValuesPropagateAndZerosAreSkipped() {
    var draws = Draws(case: 3)
    let c = Case(&draws)
    for value in [Float.nan, .infinity] {
      let dy = Tensor([Float](repeating: 0, count: c.dy.elementCount), shape: c.dy.shape)
        .channelsLast()
      dy.pointer(Float.self)[1] = value
      for set in Self.sets {
        for gradient in [
          c.both.weightGradient(dy, places: c.places, c.x, into: nil, on: set),
          c.both.inputGradient(dy, places: c.places, c.weight, on: set),
        ] {
          #expect(gradient.values(Float.self).contains { !$0.isFinite }, "\(value) on \(set)")
        }
      }
    }
    let endless = Tensor(
      [Float](repeating: .infinity, count: c.x.elementCount), shape: c.x.shape
    ).channelsLast()
    let zeros = Tensor([Float](repeating: 0, count: c.dy.elementCount), shape: c.dy.shape)
      .channelsLast()
    for set in Self.sets {
      let dw = c.both.weightGradient(zeros, places: c.places, endless, into: nil, on: set)
      #expect(dw.values(Float.self).allSatisfy { $0 == 0 }, "\(set)")
    }
  }
}

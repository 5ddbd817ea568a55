import Glibc
import Kernels
import Tensors
import TestSupport
import Testing

/// Compares oneDNN's convolutions with the reference implementation, which float64 runs.
struct ConvolutionTests {
  private struct Case {
    let shape: ConvolutionShape
    let x, weight, dy, bias: [Float]
  }

  private func randomCase(_ draws: inout Draws) -> Case {
    let groups = draws.pick([1, 1, 1, 2, 4])
    let perGroup = [1, 2, 3, 4, 7, 8, 16, 17]
    let inChannels = groups * draws.pick(perGroup)
    let outChannels = groups * draws.pick(perGroup)
    func pair(_ range: ClosedRange<Int>) -> HeightWidth {
      HeightWidth(draws.int(range), draws.int(range))
    }
    let (kernel, stride, dilation) = (pair(1...5), pair(1...3), pair(1...2))
    // Some paddings are larger than the kernel, so that windows cover only padding.
    let padding = draws.pick([0, pair(0...2), pair(0...4)])
    func extent(_ kernel: Int, _ dilation: Int, _ padding: Int) -> Int {
      max(1, dilation * (kernel - 1) + 1 - 2 * padding) + draws.int(0...9)
    }
    let x: Shape = [
      draws.int(1...3), inChannels, extent(kernel.height, dilation.height, padding.height),
      extent(kernel.width, dilation.width, padding.width),
    ]
    let weight: Shape = [outChannels, inChannels / groups, kernel.height, kernel.width]
    let shape = ConvolutionShape(
      x: x, weight: weight, stride: stride, padding: padding, dilation: dilation, groups: groups)
    return Case(
      shape: shape, x: draws.floats(x.elementCount), weight: draws.floats(weight.elementCount),
      dy: draws.floats(shape.outputShape.elementCount), bias: draws.floats(outChannels))
  }

  private func doubles(_ values: [Float], _ shape: Shape) -> Tensor {
    Tensor(values.map(Double.init), shape: shape)
  }

  /// A sum of k products in float32, in any order, fused or not, is off by at most k u / (1 - k u)
  /// times the sum of their magnitudes (Higham, Accuracy and Stability, 3.1), which the reference
  /// gives when run on magnitudes; the bias is one more term.
  private func expectNear(
    _ actual: Tensor, _ expected: Tensor, magnitudes: Tensor, terms: Int, _ what: String
  ) {
    let steps = Double(terms + 1) * 0x1p-24
    let magnitudes = magnitudes.values(Double.self)
    expectClose(actual, expected.values(Double.self), shape: expected.shape, what) {
      magnitudes[$0] * steps / (1 - steps)
    }
  }

  @Test(arguments: Precision.allCases)
  func agreesWithReferenceOverShapesAndLayouts(precision: Precision) {
    for number in 0..<RandomCases.convolution {
      expectReference(caseNumber: number, precision)
    }
  }

  /// In a process of its own, as oneDNN detects the processor only once.
  @Test func roundsOperandsWhereOneDNNHasNoBF16() async {
    await #expect(processExitsWith: .success) {
      setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1)
      for number in 0..<20 { ConvolutionTests().expectReference(caseNumber: number, .bf16) }
      #expect(OneDNN.instructionSet == "AVX2")
    }
  }

  private func expectReference(caseNumber number: Int, _ precision: Precision) {
    var draws = Draws(case: number)
    let c = randomCase(&draws)
    let s = c.shape
    let what = "\(draws), \(s)"
    let x = draws.laidOut(c.x, shape: s.inputShape)
    let weight = draws.laidOut(c.weight, shape: s.weightShape)
    let dy = draws.laidOut(c.dy, shape: s.outputShape)
    let bias = draws.pick([true, false]) ? unaligned(c.bias, by: number % 17) : nil
    func rounded(_ values: [Float]) -> [Float] {
      precision == .bf16 ? values.map(Reference.roundedToBF16) : values
    }
    let operands = [(c.x, s.inputShape), (c.weight, s.weightShape), (c.dy, s.outputShape)]
    let exact = operands.map { doubles(rounded($0), $1) }
    let (xs, ws, dys) = (exact[0], exact[1], exact[2])
    let magnitudes = operands.map { doubles(rounded($0).map(abs), $1) }
    let (xm, wm, dym) = (magnitudes[0], magnitudes[1], magnitudes[2])
    let taps = s.weightShape.elementCount / s.outChannels
    expectNear(
      convolve(x, weight, bias: bias, s, precision: precision),
      convolve(xs, ws, bias: bias.map { _ in doubles(c.bias, [s.outChannels]) }, s),
      magnitudes: convolve(
        xm, wm, bias: bias.map { _ in doubles(c.bias.map(abs), [s.outChannels]) }, s),
      terms: taps, "forward, \(what)")
    expectNear(
      convolutionInputGradient(dy, weight, s, precision: precision),
      convolutionInputGradient(dys, ws, s),
      magnitudes: convolutionInputGradient(dym, wm, s),
      terms: s.outChannels / s.groups * s.kernel.product, "dx, \(what)")
    let destination =
      draws.pick([true, false])
      ? Guarded(s.weightShape, at: draws.int(0...17)) : nil
    let dw = convolutionWeightGradient(
      x, dy, s, into: destination?.tensor, precision: precision)
    expectNear(
      dw, convolutionWeightGradient(xs, dys, s),
      magnitudes: convolutionWeightGradient(xm, dym, s),
      terms: s.batch * s.output.product, "dw, \(what)")
    if let destination {
      #expect(dw === destination.tensor)
      #expect(destination.guardsAreIntact, "wrote outside: \(what)")
    }
  }

  /// The memory pool decides the addresses of shards' tensors, so the bits must not depend on them.
  @Test(arguments: Precision.allCases) func bitsDoNotDependOnAlignment(precision: Precision) {
    for number in 0..<20 {
      var draws = Draws(case: number)
      let c = randomCase(&draws)
      let s = c.shape
      func bits(_ offset: Int) -> [[UInt32]] {
        let x = unaligned(c.x, by: offset).viewed(as: s.inputShape)
        let weight = unaligned(c.weight, by: 2 * offset % 17).viewed(as: s.weightShape)
        let dy = unaligned(c.dy, by: 3 * offset % 17).viewed(as: s.outputShape)
        return [
          convolve(x, weight, bias: nil, s, precision: precision).bits,
          convolutionInputGradient(dy, weight, s, precision: precision).bits,
          convolutionWeightGradient(x, dy, s, precision: precision).bits,
        ]
      }
      let aligned = bits(0)
      for offset in 1...17 { #expect(bits(offset) == aligned, "offset \(offset), \(draws)") }
    }
  }

  /// The definition, computed by hand: one channel, a 2 x 2 kernel over 3 x 3.
  @Test func byHand() {
    let x = Tensor([1, 2, 3, 4, 5, 6, 7, 8, 9] as [Float], shape: [1, 1, 3, 3])
    let weight = Tensor([1, 10, 100, 1000] as [Float], shape: [1, 1, 2, 2])
    let s = ConvolutionShape(
      x: x.shape, weight: weight.shape, stride: 1, padding: 0, dilation: 1, groups: 1)
    let y = convolve(x, weight, bias: Tensor([0.5] as [Float], shape: [1]), s)
    #expect(y.values(Float.self) == [5421.5, 6532.5, 8754.5, 9865.5])
    let ones = Tensor([1, 1, 1, 1] as [Float], shape: [1, 1, 2, 2])
    #expect(convolutionWeightGradient(x, ones, s).values(Float.self) == [12, 16, 24, 28])
    #expect(
      convolutionInputGradient(ones, weight, s).values(Float.self)
        == [1, 11, 10, 101, 1111, 1010, 100, 1100, 1000])
    #expect(channelSums(y).values(Float.self) == [30574])
  }

  /// After 1024 shapes the cache of primitives is emptied.
  @Test func moreShapesThanTheCacheHoldsGiveTheSameResult() {
    let weight = Tensor([2] as [Float], shape: [1, 1, 1, 1])
    for width in 1...1100 {
      let x = Tensor([Float](repeating: 3, count: width), shape: [1, 1, 1, width])
      let s = ConvolutionShape(
        x: x.shape, weight: weight.shape, stride: 1, padding: 0, dilation: 1, groups: 1)
      #expect(convolve(x, weight, bias: nil, s).values(Float.self).allSatisfy { $0 == 6 })
    }
  }
}

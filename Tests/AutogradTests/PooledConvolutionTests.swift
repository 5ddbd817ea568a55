import Autograd
import Tensors
import TestSupport
import Testing

/// A convolution that pools as it goes, against one after the other. Of small whole numbers every sum
/// is exact, in whatever order, so the bits must be the same; and many are equal, so that the first of
/// them must be found.
struct PooledConvolutionTests {
  struct Case: CustomTestStringConvertible {
    let images: Shape
    let outChannels: Int
    var kernel = 3
    var padding = 0
    var groups = 1
    var pool: HeightWidth = 2
    var poolStride: HeightWidth?
    var hasBias = true
    var testDescription: String {
      "\(images) to \(outChannels), kernel \(kernel), pool \(pool) by \(poolStride ?? pool)"
    }
  }

  static let cases = [
    Case(images: [5, 3, 40, 40], outChannels: 64),  // blocks of 2, 2 and 1 images
    Case(images: [7, 2, 21, 23], outChannels: 48, padding: 1),  // odd; blocks of 4 and 3
    Case(images: [3, 1, 9, 8], outChannels: 16, hasBias: false),
    Case(images: [1, 4, 4, 4], outChannels: 8),
    Case(images: [4, 8, 8], outChannels: 6),  // a single image, without the first axis
    Case(images: [2, 4, 9, 9], outChannels: 6, kernel: 2, groups: 2),
    Case(images: [2, 2, 9, 9], outChannels: 1),
    Case(images: [2, 2, 9, 9], outChannels: 5, pool: 3),
    Case(images: [2, 2, 9, 9], outChannels: 5, poolStride: 1),
    Case(images: [2, 2, 3, 3], outChannels: 5, pool: 1),
  ]

  private func integers(_ draws: inout Draws, _ shape: Shape, _ limit: Int) -> Tensor {
    let values = (0..<shape.elementCount).map { _ in Float(draws.int(-limit...limit)) }
    let tensor = Tensor(values, shape: shape)
    tensor.requiresGrad = true
    return tensor
  }

  @Test(arguments: cases, Precision.allCases)
  func isPoolingBehindConvolution(_ c: Case, _ precision: Precision) {
    var draws = Draws(case: c.outChannels)
    let x = integers(&draws, c.images, 3)
    let channels = c.images[c.images.count - 3]
    let weight = integers(&draws, [c.outChannels, channels / c.groups, c.kernel, c.kernel], 2)
    let bias = c.hasBias ? integers(&draws, [c.outChannels], 2) : nil
    let leaves = [x, weight] + (bias.map { [$0] } ?? [])

    func results(_ y: Tensor, _ seed: Tensor?) -> ([[UInt32]], Tensor) {
      let dy = seed ?? integers(&draws, y.shape, 3).value
      for leaf in leaves { leaf.zeroGrad() }
      y.backward(seed: dy)
      return ([y.bits] + leaves.map { $0.grad!.bits }, dy)
    }
    let convolved = conv2d(
      x, weight: weight, bias: bias, padding: HeightWidth(c.padding, c.padding), groups: c.groups,
      precision: precision)
    let (expected, dy) = results(
      maxPool2d(convolved, kernel: c.pool, stride: c.poolStride), nil)
    let (actual, _) = results(
      conv2dMaxPooled(
        x, weight: weight, bias: bias, padding: HeightWidth(c.padding, c.padding),
        groups: c.groups, precision: precision, pool: c.pool, poolStride: c.poolStride), dy)
    for (what, (a, e)) in zip(["y", "dx", "dweight", "dbias"], zip(actual, expected)) {
      #expect(a == e, "\(what), \(draws)")
    }
  }

  @Test func nothingIsLostOfWhatIsNotANumber() {
    let x = Tensor([Float](repeating: 1, count: 2 * 36), shape: [2, 1, 6, 6])
    x.pointer(Float.self)[36 + 8] = .nan
    let weight = Tensor([Float](repeating: 1, count: 2 * 9), shape: [2, 1, 3, 3])
    let y = conv2dMaxPooled(x, weight: weight, pool: 2)
    #expect(y.bits == maxPool2d(conv2d(x, weight: weight), kernel: 2).bits)
    #expect(y.values(Float.self).contains { $0.isNaN })
  }
}

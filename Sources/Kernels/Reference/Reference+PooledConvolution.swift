import System

// Reference implementations of convolutions followed by 2 x 2 max pooling, for row-major operands.
// Each element is one chain of fused multiply-adds, which includes the zeros of the padding.

extension Reference {
  /// y = the first largest element of each window of x convolved with w (+ bias of the channel,
  /// added last), and its place in planes [H', W']. NaN is the largest.
  /// - y, places: [N, O, H' / 2, W' / 2].
  package static func pooledConvolution(
    _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ places: UnsafeMutablePointer<Int32>, _ s: ConvolutionShape
  ) {
    let (rows, columns) = (s.output.height / 2, s.output.width / 2)
    for i in 0..<s.batch * s.outChannels * rows * columns {
      let (n, o) = (i / (rows * columns) / s.outChannels, i / (rows * columns) % s.outChannels)
      let first = 2 * (i / columns % rows) * s.output.width + 2 * (i % columns)
      for place in [first, first + 1, first + s.output.width, first + s.output.width + 1] {
        var sum: Float = 0
        forEachTap(s, n, o, place: place) { from, j in
          sum.addProduct(from.map { x[$0] } ?? 0, w[j])
        }
        if let bias { sum += bias[o] }
        if place == first || sum > y[i] || sum.isNaN {
          y[i] = sum
          places[i] = Int32(place)
        }
      }
    }
  }

  /// dw[o] += dy times the patch of x under it, for each dy that is not 0, in the order of images,
  /// then of windows.
  /// - dy, places: of the pooled result, [N, O, H' / 2, W' / 2]; places in planes [H', W'].
  package static func pooledConvolutionWeightGradient(
    _ dy: UnsafePointer<Float>, _ places: UnsafePointer<Int32>, _ x: UnsafePointer<Float>,
    _ dw: UnsafeMutablePointer<Float>, _ s: ConvolutionShape
  ) {
    dw.update(repeating: 0, count: s.weightShape.elementCount)
    let windows = s.output.height / 2 * (s.output.width / 2)
    for n in 0..<s.batch {
      for o in 0..<s.outChannels {
        for i in (n * s.outChannels + o) * windows..<(n * s.outChannels + o + 1) * windows
        where dy[i] != 0 {
          forEachTap(s, n, o, place: Int(places[i])) { from, j in
            dw[j].addProduct(dy[i], from.map { x[$0] } ?? 0)
          }
        }
      }
    }
  }

  /// dx of each image += dy times the weight, over the patch under it, in the order of windows,
  /// then of places in the window, then of channels.
  package static func pooledConvolutionInputGradient(
    _ dy: UnsafePointer<Float>, _ places: UnsafePointer<Int32>, _ w: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>, _ s: ConvolutionShape
  ) {
    dx.update(repeating: 0, count: s.inputShape.elementCount)
    let (rows, columns) = (s.output.height / 2, s.output.width / 2)
    for n in 0..<s.batch {
      for window in 0..<rows * columns {
        for corner in 0..<4 {
          let row = 2 * (window / columns) + corner / 2
          let place = row * s.output.width + 2 * (window % columns) + corner % 2
          for o in 0..<s.outChannels {
            let i = (n * s.outChannels + o) * rows * columns + window
            if dy[i] == 0 || places[i] != place { continue }
            forEachTap(s, n, o, place: place) { to, j in
              if let to { dx[to].addProduct(dy[i], w[j]) }
            }
          }
        }
      }
    }
  }

  /// Calls `body` for the taps of one element of the output, without groups, in the order of the
  /// weight's elements. The arguments are the indices in the input (nil in its padding) and in the
  /// weight.
  private static func forEachTap(
    _ s: ConvolutionShape, _ n: Int, _ o: Int, place: Int, _ body: (_ x: Int?, _ w: Int) -> Void
  ) {
    let top = place / s.output.width * s.stride.height - s.padding.height
    let left = place % s.output.width * s.stride.width - s.padding.width
    for j in 0..<s.inChannels * s.kernel.product {
      let (i, tap) = (j / s.kernel.product, j % s.kernel.product)
      let (h, w) = (top + tap / s.kernel.width, left + tap % s.kernel.width)
      let isInside = h >= 0 && h < s.input.height && w >= 0 && w < s.input.width
      let from = ((n * s.inChannels + i) * s.input.height + h) * s.input.width + w
      body(isInside ? from : nil, o * s.inChannels * s.kernel.product + j)
    }
  }
}

import System

// Reference implementations of oneDNN's convolutions: one loop over all products, and three ways to
// add them.

extension Reference {
  /// Calls `body` with the indices of input, weight and output of every tap inside the input, in
  /// row-major order of the output.
  @inline(__always)
  static func forEachTap(_ s: ConvolutionShape, _ body: (_ x: Int, _ w: Int, _ y: Int) -> Void) {
    let (inGroup, outGroup) = (s.inChannels / s.groups, s.outChannels / s.groups)
    for n in 0..<s.batch {
      for o in 0..<s.outChannels {
        for row in 0..<s.output.height {
          for column in 0..<s.output.width {
            let y = ((n * s.outChannels + o) * s.output.height + row) * s.output.width + column
            for i in 0..<inGroup {
              let plane = n * s.inChannels + o / outGroup * inGroup + i
              for kernelRow in 0..<s.kernel.height {
                let h = row * s.stride.height - s.padding.height + kernelRow * s.dilation.height
                if h < 0 || h >= s.input.height { continue }
                for kernelColumn in 0..<s.kernel.width {
                  let w =
                    column * s.stride.width - s.padding.width + kernelColumn * s.dilation.width
                  if w < 0 || w >= s.input.width { continue }
                  body(
                    (plane * s.input.height + h) * s.input.width + w,
                    ((o * inGroup + i) * s.kernel.height + kernelRow) * s.kernel.width
                      + kernelColumn, y)
                }
              }
            }
          }
        }
      }
    }
  }

  /// y = x convolved with w (+ bias of the channel).
  static func convolve<T: BinaryFloatingPoint>(
    _ x: UnsafePointer<T>, _ w: UnsafePointer<T>, _ bias: UnsafePointer<T>?,
    _ y: UnsafeMutablePointer<T>, _ s: ConvolutionShape
  ) {
    for i in 0..<s.outputShape.elementCount {
      y[i] = bias?[i / s.output.product % s.outChannels] ?? 0
    }
    forEachTap(s) { i, j, k in y[k] += x[i] * w[j] }
  }

  /// dx = dy scattered through w.
  static func convolutionInputGradient<T: BinaryFloatingPoint>(
    _ dy: UnsafePointer<T>, _ w: UnsafePointer<T>, _ dx: UnsafeMutablePointer<T>,
    _ s: ConvolutionShape
  ) {
    dx.update(repeating: 0, count: s.inputShape.elementCount)
    forEachTap(s) { i, j, k in dx[i] += dy[k] * w[j] }
  }

  /// dw = the correlation of x with dy.
  static func convolutionWeightGradient<T: BinaryFloatingPoint>(
    _ x: UnsafePointer<T>, _ dy: UnsafePointer<T>, _ dw: UnsafeMutablePointer<T>,
    _ s: ConvolutionShape
  ) {
    dw.update(repeating: 0, count: s.weightShape.elementCount)
    forEachTap(s) { i, j, k in dw[j] += dy[k] * x[i] }
  }
}

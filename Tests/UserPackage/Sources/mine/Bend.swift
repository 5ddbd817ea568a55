import NNDist

extension Tensor {
  /// y = x + (sqrt(x^2 + 1) - 1) / 2;  dx = dy (1 + x / (2 sqrt(x^2 + 1))).
  func bend() -> Tensor {
    let x = value
    let root = (x * x + 1).sqrt()
    let slope = x / (root * 2) + 1
    return record("bend", inputs: [self], value: x + (root - 1) * 0.5, saving: []) { dy in
      [dy * slope]
    }
  }
}

/// The largest difference between the gradient of `bend` and a central difference, in float64.
func bendGradientError() -> Double {
  let values = [-3, -0.5, 0, 0.25, 2]
  let x = Tensor(values, shape: [values.count])
  x.requiresGrad = true
  x.bend().sum().backward()
  let h = 1e-5
  func sum(_ index: Int, _ change: Double) -> Double {
    var changed = values
    changed[index] += change
    return Tensor(changed, shape: [values.count]).bend().sum().item()
  }
  return x.grad!.values(Double.self).enumerated().map { index, gradient in
    abs(gradient - (sum(index, h) - sum(index, -h)) / (2 * h))
  }.max()!
}

import Autograd
import Tensors
import Testing

/// Checks the gradients `backward` gives to `inputs` of `function` against central differences, in
/// float64: L = sum of seed * function(inputs) with a random seed, and
/// dL/dx = (L(x + h) - L(x - h)) / 2h for every element x of every input.
///
/// With h = 1e-5 the difference is off by h^2 L'''/6, about 1e-10, and by rounding, L 2^-53 / h, about
/// 1e-11 L: 1e-7 of the gradient (or of 1, where that is smaller) leaves room for both, and no wrong
/// formula comes that close.
/// - inputs: float64 leaves; their gradients are cleared first.
public func expectGradientsMatchFiniteDifferences(
  _ inputs: [Tensor], _ context: String = "", sourceLocation: SourceLocation = #_sourceLocation,
  _ function: ([Tensor]) -> Tensor
) {
  let step = 1e-5
  for input in inputs {
    input.requiresGrad = true
    input.zeroGrad()
  }
  let output = function(inputs)
  var draws = Draws(case: output.elementCount)
  let seed = Tensor(draws.doubles(output.elementCount), shape: output.shape)
  output.backward(seed: seed)

  func loss() -> Double {
    zip(noGrad { function(inputs) }.values(Double.self), seed.values(Double.self))
      .reduce(0) { $0 + $1.0 * $1.1 }
  }
  for (index, input) in inputs.enumerated() {
    guard let gradient = input.grad else {
      Issue.record("input \(index) got no gradient; \(context)", sourceLocation: sourceLocation)
      continue
    }
    let elements = input.storage.base.assumingMemoryBound(to: Double.self)
    var differences: [Double] = []
    input.forEachOffset { i in
      let before = elements[i]
      elements[i] = before + step
      let above = loss()
      elements[i] = before - step
      let below = loss()
      elements[i] = before
      differences.append((above - below) / (2 * step))
    }
    expectClose(
      gradient, differences, shape: input.shape, "gradient of input \(index); \(context)",
      sourceLocation: sourceLocation
    ) { 1e-7 * max(1, abs(differences[$0])) }
  }
}

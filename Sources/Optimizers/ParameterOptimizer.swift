import Autograd
import System
import Tensors

/// An optimizer over parameters wherever they lie, for scripts that have no arena:
///
///     let optimizer = ParameterOptimizer([w, b], learningRate: 0.1) { Adam(elementCount: $0) }
///     optimizer.zeroGrad()
///     loss.backward()
///     optimizer.step()
///
/// The same loops as over an arena, a parameter at a time; its state and groups count elements as if
/// the parameters lay one after the other.
public final class ParameterOptimizer {
  public let parameters: [Tensor]
  public let optimizer: any Optimizer
  public var learningRate: Double
  /// Updates each parameter has had: one without a gradient is left out of a step, as in PyTorch.
  private var steps: [Int]

  /// - Parameter makeOptimizer: from the number of elements of all parameters.
  /// - Precondition: contiguous float32 leaves, none twice.
  public init(
    _ parameters: [Tensor], learningRate: Double,
    _ makeOptimizer: (_ elementCount: Int) -> any Optimizer
  ) {
    for (index, parameter) in parameters.enumerated() {
      require(
        parameter.dtype == .float32 && parameter.isContiguous,
        "optimizer: parameter \(index) of \(parameter.dtype) \(parameter.shape) must be contiguous "
          + "float32")
      require(
        parameter.requiresGrad && parameter.gradientFunction == nil,
        "optimizer: parameter \(index) of shape \(parameter.shape) is no leaf that requires a "
          + "gradient; set requiresGrad on the tensor itself, not on what was made from it")
    }
    require(
      Set(parameters.map { ObjectIdentifier($0) }).count == parameters.count,
      "optimizer: a parameter stands twice in the list")
    self.parameters = parameters
    self.learningRate = learningRate
    optimizer = makeOptimizer(parameters.reduce(0) { $0 + $1.elementCount })
    steps = parameters.map { _ in 0 }
  }

  /// One update of every parameter that has a gradient.
  public func step() {
    var start = 0
    for (index, parameter) in parameters.enumerated() {
      let range = start..<start + parameter.elementCount
      start = range.upperBound
      guard let gradient = parameter.grad?.contiguous(), !range.isEmpty else { continue }
      steps[index] += 1
      optimizer.update(
        range, parameters: parameter.pointer(Float.self), gradients: gradient.pointer(Float.self),
        learningRate: learningRate, step: steps[index])
      withExtendedLifetime(gradient) {}
    }
  }

  /// Forgets the gradients, so that the next backward pass starts anew.
  public func zeroGrad() { for parameter in parameters { parameter.zeroGrad() } }
}

import Autograd
import System
import Tensors

/// An optimizer for parameters that are separate tensors, for scripts without an arena:
///
///     let optimizer = ParameterOptimizer([w, b], learningRate: 0.1) { Adam(elementCount: $0) }
///     optimizer.zeroGrad()
///     loss.backward()
///     optimizer.step()
///
/// It runs the same loops as over an arena, for one parameter at a time. Its state and its groups
/// number the elements as if the parameters were stored one after another.
public final class ParameterOptimizer {
  public let parameters: [Tensor]
  public let optimizer: any Optimizer
  public var learningRate: Double
  /// The number of updates of each parameter. As in PyTorch, a step skips a parameter without a
  /// gradient.
  private var steps: [Int]

  /// - Parameter makeOptimizer: creates the optimizer from the number of elements of all
  ///   parameters.
  /// - Precondition: the parameters are contiguous float32 leaves, and none is in the list twice.
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

  /// Updates every parameter that has a gradient once.
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

  /// Clears the gradients; otherwise the next backward pass would add to them.
  public func zeroGrad() { for parameter in parameters { parameter.zeroGrad() } }
}

import System
import Tensors

/// Updates parameters from their gradients.
///
/// It works on a whole arena, in one fused loop for each group. If it is replicated, every rank
/// takes the same step from the same sums, so the bits stay the same on all ranks.
public protocol Optimizer: AnyObject {
  /// Its name, such as "Adam".
  var name: String { get }

  /// The state that it keeps between steps: arenas with as many elements as the parameter arena,
  /// named as in PyTorch's optimizer state.
  var state: [(name: String, arena: Tensor)] { get }

  /// Parts of the arena with their own settings; all other elements use the optimizer's settings.
  var groups: [ParameterGroup] { get }

  /// The weight decay of elements whose group does not set one: the gradient grows by it times the
  /// parameter.
  var weightDecay: Double { get }

  /// Updates the elements of `run` once. It is called by `step`, which updates all elements; call
  /// that. Other threads may update other elements at the same time.
  func update(_ run: ElementRun)
}

/// Consecutive elements of the parameter arena that are updated with the same settings.
public struct ElementRun {
  /// The elements, as indices into the arena and into the arenas of the state.
  public let range: Range<Int>
  /// The parameters of `range`; the pointer is to the first one, as is that of `gradients`.
  public let parameters: UnsafeMutablePointer<Float>
  public let gradients: UnsafePointer<Float>
  public let learningRate: Double
  public let weightDecay: Double
  /// Counted from 1.
  public let step: Int

  public var count: Int { range.count }

  /// The elements of `range` in an arena of the state.
  /// - Precondition: the arena contains `range`.
  public func state(_ arena: Tensor, of optimizer: StaticString) -> UnsafeMutablePointer<Float> {
    require(
      range.upperBound <= arena.elementCount,
      "\(optimizer) was made for another arena: of \(arena.elementCount) elements, not "
        + "\(range.upperBound)")
    return arena.pointer(Float.self) + range.lowerBound
  }
}

extension Optimizer {
  public var groups: [ParameterGroup] { [] }
  public var weightDecay: Double { 0 }

  /// Updates the whole arena once.
  /// - Parameters:
  ///   - parameters: the parameter arena, float32.
  ///   - gradients: the gradients of the global mean loss, one for each parameter.
  ///   - step: counted from 1.
  ///   - divide: calls its body for parts of a range, possibly on several threads.
  public func step(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafePointer<Float>,
    learningRate: Double, step: Int,
    divide: (_ range: Range<Int>, _ body: (Range<Int>) -> Void) -> Void = { $1($0) }
  ) {
    guard let start = parameters.baseAddress else { return }
    for (name, arena) in state {
      require(
        arena.elementCount == parameters.count,
        "\(self.name) was made for another arena: \(name) has \(arena.elementCount) elements, the "
          + "arena \(parameters.count)")
    }
    divide(0..<parameters.count) { part in
      update(
        part, parameters: start + part.lowerBound, gradients: gradients + part.lowerBound,
        learningRate: learningRate, step: step)
    }
  }

  /// Updates the elements `range` of the arena once. The two pointers are to the first of them.
  package func update(
    _ range: Range<Int>, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    learningRate: Double, step: Int
  ) {
    func run(_ part: Range<Int>, _ scale: Double, _ decay: Double) {
      let first = part.lowerBound - range.lowerBound
      update(
        ElementRun(
          range: part, parameters: parameters + first, gradients: gradients + first,
          learningRate: learningRate * scale, weightDecay: decay, step: step))
    }
    var next = range.lowerBound
    for group in groups where group.range.overlaps(range) {
      let part = group.range.clamped(to: range)
      if next < part.lowerBound { run(next..<part.lowerBound, 1, weightDecay) }
      if !group.isFrozen {
        run(part, group.learningRateScale, group.weightDecay ?? weightDecay)
      }
      next = part.upperBound
    }
    if next < range.upperBound { run(next..<range.upperBound, 1, weightDecay) }
  }
}

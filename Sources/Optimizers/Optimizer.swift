import System
import Tensors

/// Turns gradients into new parameters.
///
/// Works on a whole arena, in one fused loop for each group. Replicated: every rank makes the same
/// step from the same sums, so all keep the same bits.
public protocol Optimizer: AnyObject {
  /// Its name, such as "Adam".
  var name: String { get }

  /// What it remembers between steps: arenas as long as the parameters', named as in PyTorch's
  /// optimizer state.
  var state: [(name: String, arena: Tensor)] { get }

  /// Parts of the arena with settings of their own; elements of none have the optimizer's.
  var groups: [ParameterGroup] { get }

  /// What is added to a gradient for each unit of its parameter, where a group does not say.
  var weightDecay: Double { get }

  /// One update of the elements of `run`. `step` does this for all; call that. Other elements may be
  /// updated on other threads meanwhile.
  func update(_ run: ElementRun)
}

/// Neighbours in the parameter arena that are updated with the same settings.
public struct ElementRun {
  /// Where they are in the arena, and so in the arenas of the state.
  public let range: Range<Int>
  /// The first of them and of their gradients.
  public let parameters: UnsafeMutablePointer<Float>
  public let gradients: UnsafePointer<Float>
  public let learningRate: Double
  public let weightDecay: Double
  /// Counted from 1.
  public let step: Int

  public var count: Int { range.count }

  /// The first of their elements in an arena of the state.
  /// - Precondition: the arena reaches that far.
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

  /// One update of the whole arena.
  /// - Parameters:
  ///   - parameters: the parameter arena, float32.
  ///   - gradients: of the global mean loss; as many.
  ///   - step: counted from 1.
  ///   - divide: calls its body for parts of a range, on threads of its choice.
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

  /// One update of the elements at `range` of the arena, which begin at the two pointers.
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

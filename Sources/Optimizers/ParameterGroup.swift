import System

/// A part of the parameter arena with its own settings, such as biases without weight decay.
public struct ParameterGroup: Sendable, Equatable {
  /// Elements of the arena.
  public let range: Range<Int>
  /// Multiplies the learning rate of the step, so that one schedule is enough for all groups.
  public let learningRateScale: Double
  /// nil: the optimizer's weight decay.
  public let weightDecay: Double?
  /// Whether the elements are not updated at all.
  public let isFrozen: Bool

  public init(
    range: Range<Int>, learningRateScale: Double = 1, weightDecay: Double? = nil,
    isFrozen: Bool = false
  ) {
    self.range = range
    self.learningRateScale = learningRateScale
    self.weightDecay = weightDecay
    self.isFrozen = isFrozen
  }

  /// Sorts the groups by their position in the arena, without empty ones.
  /// - Precondition: they do not overlap, and none ends after `elementCount`.
  static func inOrder(_ groups: [ParameterGroup], elementCount: Int?) -> [ParameterGroup] {
    let groups = groups.filter { !$0.range.isEmpty }
      .sorted { $0.range.lowerBound < $1.range.lowerBound }
    for (group, next) in zip(groups, groups.dropFirst()) {
      require(
        group.range.upperBound <= next.range.lowerBound,
        "parameter groups \(group.range) and \(next.range) overlap")
    }
    if let first = groups.first, let last = groups.last, let elementCount {
      require(
        first.range.lowerBound >= 0 && last.range.upperBound <= elementCount,
        "parameter group \(last.range) reaches outside an arena of \(elementCount) elements")
    }
    return groups
  }
}

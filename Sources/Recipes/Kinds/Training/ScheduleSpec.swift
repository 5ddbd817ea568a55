import Optimizers

/// How the learning rate changes during a run.
package struct ScheduleSpec: Equatable, Sendable {
  let variant: Variant

  /// The name of the kind, such as "cosine".
  package var kind: String { variant.kind }
  package var arguments: Arguments { variant.arguments }

  package func schedule() -> Schedule {
    let own = ScheduleSpec.kinds.first { $0.kind.name == kind }!.schedule(arguments)
    let steps = arguments.integer("warm_up")
    return steps == 0
      ? own
      : .linearWarmUp(steps: steps, startFactor: arguments.number("warm_up_from"), then: own)
  }

  static let table = VariantTable(
    "schedule", "How the learning rate goes along a run.", tag: "kind",
    kinds: kinds.map(\.kind),
    last: [
      .integer(
        "warm_up", 0, "Steps over which the rate first rises to the optimizer's, in a line."),
      .number(
        "warm_up_from", .fraction, 0.1, "The share of the rate that the warm-up begins with."),
    ],
    allowsNameAlone: true)

  private static let kinds: [(kind: Kind, schedule: @Sendable (Arguments) -> Schedule)] = [
    (Kind("constant", "The same rate all along."), { _ in .constant }),
    (Kind("cosine", "To 0 along half a cosine over the run."), { _ in .cosine }),
    (
      Kind(
        "step", "Times factor every so many steps.",
        [.count("every", "In steps."), factor]),
      { .step(every: $0.integer("every"), factor: $0.number("factor")) }
    ),
    (
      Kind(
        "multi-step", "Times factor at each milestone.",
        [Field("milestones", .list(.count, count: nil), "Steps, counted from 1."), factor]),
      { .multiStep(milestones: $0.integers("milestones"), factor: $0.number("factor")) }
    ),
    (
      Kind(
        "exponential", "Times factor every step.",
        [.number("factor", .positive, "What the rate is multiplied by.")]),
      { .exponential(factor: $0.number("factor")) }
    ),
    (
      Kind(
        "one-cycle", "Up to the optimizer's rate and down again, along cosines.",
        [
          .number("share", .fractionBelowOne, 0.3, "The share of the run in which the rate rises."),
          .number("divisor", .positive, 25, "The rate begins at lr / divisor."),
          .number(
            "final_divisor", .positive, 10_000, "It ends at lr / divisor / final_divisor."),
        ]),
      {
        .oneCycle(
          share: $0.number("share"), divisor: $0.number("divisor"),
          finalDivisor: $0.number("final_divisor"))
      }
    ),
  ]

  private static let factor = Field.number(
    "factor", .positive, 0.1, "What the rate is multiplied by.")
}

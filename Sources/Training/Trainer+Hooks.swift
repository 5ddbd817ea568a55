import Communication
import DataParallel
import Layers
import System

/// When a hook can run.
public enum TrainingEvent: Sendable {
  /// After a step; numbered by steps.
  case step
  /// After an epoch, its training metrics and its evaluation; numbered by epochs.
  case epoch
  /// After an evaluation; numbered by epochs.
  case evaluation
  /// When a save was begun, which goes on beside the training; numbered by steps.
  case checkpoint
  /// When the run ends; numbered by steps.
  case end
}

/// What a hook gets; the same on every rank.
public struct TrainingMoment {
  public let event: TrainingEvent
  public let world: Communicator
  /// The epoch of the step that was taken last, from 1.
  public let epoch: Int
  /// The number of steps taken.
  public let step: Int
  /// The last step; nil before the first.
  public let result: StepResult?
  /// The last evaluation on the split that decides; nil before the first.
  public let evaluation: EvaluationSummary?
  fileprivate let trainer: Trainer

  /// The network, with the parameters of all ranks. In evaluation mode after `model.eval()`; call
  /// `model.train()` before the hook returns.
  public var model: any Module { trainer.model }

  /// Saves a checkpoint of this step.
  ///
  /// Collective: every rank.
  public func save() throws { try trainer.save() }

  /// Ends the run after this step, with a checkpoint. Call it on every rank alike.
  public func stop() { trainer.isStoppedByHook = true }
}

/// A function that runs at some events.
struct Hook {
  enum Filter {
    case every(Int)
    case once(Int?)
  }

  let event: TrainingEvent
  let filter: Filter
  let body: (TrainingMoment) throws -> Void
  var isDone = false

  func isDue(_ event: TrainingEvent, _ number: Int) -> Bool {
    guard event == self.event, !isDone else { return false }
    return switch filter {
    case .every(let interval): number % interval == 0
    case .once(let wanted): wanted == nil || number == wanted
    }
  }
}

extension Trainer {
  /// Runs `body` at every event whose number is a multiple of `interval`, on all ranks alike. An error that it
  /// throws ends the run on every rank.
  ///
  /// Collective: every rank, with the same arguments.
  /// - Precondition: interval >= 1.
  public func on(
    _ event: TrainingEvent, every interval: Int = 1,
    _ body: @escaping (TrainingMoment) throws -> Void
  ) {
    require(interval >= 1, "Trainer.on(\(event), every: \(interval)): the interval must be 1 or more")
    hooks.append(Hook(event: event, filter: .every(interval), body: body))
  }

  /// Runs `body` at the event of that number, or at the first there is, and not again in this launch.
  ///
  /// Collective: every rank, with the same arguments.
  public func once(
    _ event: TrainingEvent, at number: Int? = nil,
    _ body: @escaping (TrainingMoment) throws -> Void
  ) {
    hooks.append(Hook(event: event, filter: .once(number), body: body))
  }

  func hasHooks(for event: TrainingEvent) -> Bool { hooks.contains { $0.event == event } }

  /// Collective: every rank.
  func runHooks(_ event: TrainingEvent, number: Int) throws {
    for index in hooks.indices where hooks[index].isDue(event, number) {
      if case .once = hooks[index].filter { hooks[index].isDone = true }
      let moment = TrainingMoment(
        event: event, world: world, epoch: state.position == 0 ? max(state.epoch - 1, 1) : state.epoch,
        step: state.step, result: lastResult, evaluation: lastEvaluation, trainer: self)
      try world.agree(on: "a hook on \(event) \(number)") { try hooks[index].body(moment) }
    }
  }
}

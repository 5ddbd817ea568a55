import Communication
import DataParallel
import Layers
import System

/// An event at which hooks can run.
public enum TrainingEvent: Sendable {
  /// After a step. Its number is the step.
  case step
  /// After an epoch, its training metrics and its evaluation. Its number is the epoch.
  case epoch
  /// After an evaluation. Its number is the epoch.
  case evaluation
  /// After a save was started, which continues in the background. Its number is the step.
  case checkpoint
  /// When the run ends. Its number is the step.
  case end
}

/// The argument of a hook: the state of training at an event, the same on every rank.
public struct TrainingMoment {
  public let event: TrainingEvent
  public let world: Communicator
  /// The epoch of the last step, counted from 1.
  public let epoch: Int
  /// The number of steps taken.
  public let step: Int
  /// The result of the last step; nil before the first.
  public let result: StepResult?
  /// The last evaluation on the first held-out split; nil before the first.
  public let evaluation: EvaluationSummary?
  fileprivate let trainer: Trainer

  /// The network; its parameters are the same on all ranks. A hook that calls `model.eval()` must
  /// call `model.train()` before it returns.
  public var model: any Module { trainer.model }

  /// Saves a checkpoint of this step.
  ///
  /// Collective: every rank.
  public func save() throws { try trainer.save() }

  /// Ends the run after this step, with a checkpoint. Every rank must call it.
  public func stop() { trainer.isStoppedByHook = true }
}

/// A registered function, with the event and the numbers at which it runs.
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
  /// Runs `body` on every rank at each event whose number is a multiple of `interval`. An error
  /// thrown by `body` ends the run on every rank.
  ///
  /// Collective: every rank, with the same arguments.
  /// - Precondition: interval >= 1.
  public func on(
    _ event: TrainingEvent, every interval: Int = 1,
    _ body: @escaping (TrainingMoment) throws -> Void
  ) {
    require(
      interval >= 1, "Trainer.on(\(event), every: \(interval)): the interval must be 1 or more")
    hooks.append(Hook(event: event, filter: .every(interval), body: body))
  }

  /// Runs `body` once in this launch: at the event with that number, or, if `number` is nil, at the
  /// next event.
  ///
  /// Collective: every rank, with the same arguments.
  public func once(
    _ event: TrainingEvent, at number: Int? = nil,
    _ body: @escaping (TrainingMoment) throws -> Void
  ) {
    hooks.append(Hook(event: event, filter: .once(number), body: body))
  }

  /// Collective: every rank.
  func runHooks(_ event: TrainingEvent, number: Int) throws {
    for index in hooks.indices where hooks[index].isDue(event, number) {
      if case .once = hooks[index].filter { hooks[index].isDone = true }
      let moment = TrainingMoment(
        event: event, world: world,
        epoch: state.position == 0 ? max(state.epoch - 1, 1) : state.epoch,
        step: state.step, result: lastResult, evaluation: lastEvaluation, trainer: self)
      try world.agree(on: "a hook on \(event) \(number)") { try hooks[index].body(moment) }
    }
  }
}

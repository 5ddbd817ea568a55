import Datasets

/// How a run is executed. No option changes the bits of the result.
public struct RunOptions: Sendable {
  /// The directory for the run's files.
  public var runDirectory: String
  public var resume = ResumePolicy.never
  /// A .safetensors file with the initial weights; nil: computed from the seed.
  public var initFile: String?
  /// The number of steps after which the run ends, as on a stop request, but with status 0.
  public var maxSteps: Int?
  /// Threads of this rank; nil: as many as the cores it may use, divided among the ranks of its
  /// host.
  public var threads: Int?
  /// Whether each rank keeps the optimizer's state for a slice of the parameters only, and updates
  /// that slice (ZeRO-1). Must be the same on all ranks.
  public var shardsOptimizer = false
  /// Steps between step lines in metrics.jsonl; 0 writes none.
  public var logEvery = 100
  /// Epochs between evaluations; 0 never evaluates; nil uses the job's interval.
  public var evalEvery: Int?
  /// Steps between checkpoints; 0 never saves; nil saves as often as the job evaluates.
  public var checkpointEvery: Int?
  /// What root prints.
  public var output = RunOutput.none
  /// When the run must have ended; only root's value is used.
  public var timeLimit: TimeLimit?

  public init(runDirectory: String) { self.runDirectory = runDirectory }
}

/// What to do if the directory already holds a run.
public enum ResumePolicy: Sendable {
  /// Fails, and changes nothing.
  case never
  /// Resumes it, or starts a new run if there is none.
  case ifPresent
}

/// What a run prints.
public enum RunOutput: Sendable {
  case none
  /// Warnings on standard error.
  case warnings
  /// Warnings; and on standard output a progress bar, evaluations and the outcome of the run.
  case progress
}

/// How a run ended.
public enum Outcome: Sendable, Equatable {
  /// All epochs are done.
  case completed
  /// `maxSteps` steps were taken.
  case reachedMaxSteps
  /// Nothing improved for `patience` evaluations.
  case stoppedEarly
  /// A hook called `stop()`.
  case stoppedByHook
  /// A signal was received, or the time limit was reached.
  case stopped(by: String)
}

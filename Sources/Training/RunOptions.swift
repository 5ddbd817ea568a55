import Datasets

/// How a run is carried out. Nothing here changes a bit of the result.
public struct RunOptions: Sendable {
  /// Where the run's files go.
  public var runDirectory: String
  public var resume = ResumePolicy.never
  /// Initial weights, a .safetensors file; nil: from the seed.
  public var initFile: String?
  /// Steps after which the run ends, as if on request but with status 0.
  public var maxSteps: Int?
  /// Threads of this rank; nil: the cores it may use, shared with the other ranks of its host.
  public var threads: Int?
  /// Whether each rank keeps the optimizer's state of a slice of the parameters, and updates that slice
  /// (ZeRO-1). All ranks alike.
  public var shardsOptimizer = false
  /// Steps between step lines in metrics.jsonl; 0 writes none.
  public var logEvery = 100
  /// Epochs between evaluations; 0 never evaluates; nil: the job's.
  public var evalEvery: Int?
  /// Steps between checkpoints; 0 never saves; nil saves as often as the job evaluates.
  public var checkpointEvery: Int?
  /// What root prints.
  public var output = RunOutput.none
  /// When the run must be over; root's alone counts.
  public var timeLimit: TimeLimit?

  public init(runDirectory: String) { self.runDirectory = runDirectory }
}

/// What a run does with a run that is in its directory already.
public enum ResumePolicy: Sendable {
  /// Refuses to touch it.
  case never
  /// Goes on with it, or starts a new run where there is none.
  case ifPresent
}

/// What a run prints.
public enum RunOutput: Sendable {
  case none
  /// Warnings on standard error.
  case warnings
  /// Warnings, and on standard output a progress bar, evaluations and what became of the run.
  case progress
}

/// How a run ended.
public enum Outcome: Sendable, Equatable {
  /// All epochs are done.
  case completed
  /// `maxSteps` were taken.
  case reachedMaxSteps
  /// Nothing improved for as long as the job allows.
  case stoppedEarly
  /// A hook asked for it.
  case stoppedByHook
  /// A signal asked for it, or the time was up.
  case stopped(by: String)
}

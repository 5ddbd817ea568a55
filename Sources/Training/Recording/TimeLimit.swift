import DataParallel
import Foundation
import Glibc
import System

/// The time by which a run must have saved and ended, on the monotonic clock.
public struct TimeLimit: Sendable, Equatable {
  let end: Double
  /// The name in messages.
  let name: String

  /// A limit `seconds` from now.
  public init(seconds: Double) {
    end = monotonicSeconds() + seconds
    name = "the time limit"
  }

  /// The end of the Slurm job of this process; nil if there is no job or its end is unknown.
  ///
  /// Source: sbatch(1), SLURM_JOB_END_TIME, seconds since 1970.
  public static func slurm(
    _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> TimeLimit? {
    guard let end = environment["SLURM_JOB_END_TIME"].flatMap(Double.init), end > 0 else {
      return nil
    }
    return TimeLimit(end: monotonicSeconds() + end - Double(time(nil)), name: "Slurm's time limit")
  }

  private init(end: Double, name: String) {
    self.end = end
    self.name = name
  }

  /// Parses a time in Slurm's formats and returns seconds. A plain number means seconds, unlike in
  /// Slurm: "90", "55:00", "01:55:00", "2-01", "2-01:00", "2-01:00:00". Returns nil for anything
  /// else.
  public static func seconds(_ text: String) -> Double? {
    if let seconds = Double(text) { return seconds > 0 && seconds < 1e9 ? seconds : nil }
    let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let fields = parts[parts.count - 1].split(separator: ":", omittingEmptySubsequences: false)
    let numbers = ((parts.count == 2 ? [parts[0]] : []) + fields).map { field in
      field.count <= 6 && field.allSatisfy("0123456789".contains) ? Double(field) : nil
    }
    guard !numbers.contains(nil) else { return nil }
    let units: [Double]
    switch (parts.count, fields.count) {
    case (1, 2): units = [60, 1]
    case (1, 3): units = [3600, 60, 1]
    case (2, 1...3): units = [86400] + [3600, 60, 1].prefix(fields.count)
    default: return nil
    }
    let sum = zip(numbers, units).reduce(0) { $0 + $1.0! * $1.1 }
    return sum > 0 ? sum : nil
  }
}

/// Measures how long steps, saves and evaluations take. Root uses it to decide whether there is
/// time for another step.
final class TimeNeeds {
  /// Extra time for everything else, such as the end of the processes.
  static let marginSeconds = 1.0

  private(set) var step = 0.0
  private(set) var save = 0.0
  private(set) var evaluation = 0.0
  private var lastStep: Double?

  /// Records the start of a step. The time between two starts in a row counts as the time of a
  /// step.
  func noteStep() {
    let now = monotonicSeconds()
    if let lastStep { step = max(step, now - lastStep) }
    lastStep = now
  }

  /// Records that a save took `seconds`.
  func noteSave(_ seconds: Double) {
    save = max(save, seconds)
    lastStep = nil
  }

  /// Runs an evaluation and measures its time.
  func measureEvaluation<T>(_ body: () throws -> T) rethrows -> T {
    defer { lastStep = nil }
    var clock = Stopwatch()
    let value = try body()
    evaluation = max(evaluation, clock.lap())
    return value
  }

  /// Whether there is not enough time left for another step and a save (and an evaluation). A save
  /// may take twice as long as the longest one before.
  func exceed(_ limit: TimeLimit, withEvaluation: Bool) -> Bool {
    let needed =
      step + 2 * save + (withEvaluation ? evaluation : 0) + TimeNeeds.marginSeconds
    return monotonicSeconds() + needed >= limit.end
  }
}

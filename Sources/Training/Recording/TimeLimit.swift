import DataParallel
import Foundation
import Glibc
import System

/// When a run must have saved and ended, on a clock that nobody sets.
public struct TimeLimit: Sendable, Equatable {
  let end: Double
  /// As messages call it.
  let name: String

  /// So many seconds from now on.
  public init(seconds: Double) {
    end = monotonicSeconds() + seconds
    name = "the time limit"
  }

  /// The end of the Slurm job that this process belongs to; nil where there is none or it is unknown.
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

  /// Seconds from what Slurm would understand, but that a plain number is seconds: "90", "55:00",
  /// "01:55:00", "2-01", "2-01:00", "2-01:00:00". nil for anything else.
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

/// How long the parts of a run take on root, which decides when there is no time for another step.
final class TimeNeeds {
  /// What may come between, such as the end of the processes.
  static let marginSeconds = 1.0

  private(set) var step = 0.0
  private(set) var save = 0.0
  private(set) var evaluation = 0.0
  private var lastStep: Double?

  /// A step begins; what lies between two that follow each other is the time of a step.
  func noteStep() {
    let now = monotonicSeconds()
    if let lastStep { step = max(step, now - lastStep) }
    lastStep = now
  }

  /// A save took so many seconds.
  func noteSave(_ seconds: Double) {
    save = max(save, seconds)
    lastStep = nil
  }

  /// Does an evaluation.
  func measureEvaluation<T>(_ body: () throws -> T) rethrows -> T {
    defer { lastStep = nil }
    var clock = Stopwatch()
    let value = try body()
    evaluation = max(evaluation, clock.lap())
    return value
  }

  /// Whether nothing but a save fits in any more. A save may take twice as long as any before.
  func areMore(than limit: TimeLimit, withEvaluation: Bool) -> Bool {
    let needed =
      step + 2 * save + (withEvaluation ? evaluation : 0) + TimeNeeds.marginSeconds
    return monotonicSeconds() + needed >= limit.end
  }
}

import Synchronization

/// The table of all systems, gathered while they are tested, in whatever order.
enum NotebookReport {
  private struct State {
    var lines: [(system: String, cells: [String])] = []
    /// Trainings whose data are there, and the library's part.
    var partsToCome =
      1 + SystemTraining.all.filter { $0.data.arguments != nil }.count
  }

  private static let state = Mutex(State())

  static func add(
    _ system: String, _ figure: String, _ notebook: String, _ verdict: SystemLine.Verdict
  ) {
    let cells = [
      system, figure, notebook, verdict.nndist, verdict.pyTorch,
      verdict.judgedBy + (verdict.agrees ? "" : ": NO"),
    ]
    state.withLock { $0.lines.append((system, cells)) }
  }

  /// Prints the table after the last part.
  static func partIsDone() {
    state.withLock { state in
      state.partsToCome -= 1
      if state.partsToCome == 0 { print(text(state)) }
    }
  }

  /// As Markdown. A system whose data are missing has a line that says so.
  private static func text(_ state: State) -> String {
    let missing = (1...34).map { "S" + ($0 < 10 ? "0" : "") + "\($0)" }
      .filter { system in !state.lines.contains { $0.system == system } }
      .map { (system: $0, cells: [$0, "skipped: its data are not there", "", "", "", ""]) }
    let header = ["system", "figure", "notebook", "nndist", "PyTorch", "judged by"]
    // Sorting keeps a system's lines in their order: Swift's sort is stable, but does not promise it.
    let lines = (state.lines + missing).enumerated().sorted {
      ($0.element.system, $0.offset) < ($1.element.system, $1.offset)
    }.map(\.element.cells)
    let rule = header.map { _ in "---" }
    return ([header, rule] + lines).map { "|" + $0.joined(separator: "|") + "|" }
      .joined(separator: "\n")
  }
}

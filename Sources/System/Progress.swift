import CSystem

/// What this process is doing, for whoever watches whether it goes on. A note costs a store or two.
public enum Progress {
  /// The parts of a run, as messages name them.
  public enum Section: UInt64, Sendable, CaseIterable {
    case start, loading, data, forward, backward, sum, update, evaluation, saving
  }

  /// A section begins.
  public static func enter(_ section: Section) {
    nd_set_heartbeat(ND_HEARTBEAT_SECTION, section.rawValue)
    nd_note_progress()
  }

  /// Something was done within a section that may take long: a batch, a file, a block of one.
  public static func note() { nd_note_progress() }
}

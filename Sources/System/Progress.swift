import CSystem

/// Reports what this process is doing, so that a watchdog can detect that it hangs. A report costs
/// one or two stores.
package enum Progress {
  /// The phases of a run, with the names used in messages.
  package enum Section: UInt64, Sendable, CaseIterable {
    case start, loading, data, forward, backward, sum, update, evaluation, saving
  }

  /// Reports that a section begins.
  package static func enter(_ section: Section) {
    nd_set_heartbeat(ND_HEARTBEAT_SECTION, section.rawValue)
    nd_note_progress()
  }

  /// Reports progress within a section that may take long: after a batch, a file, or a block of a
  /// file.
  package static func note() { nd_note_progress() }
}

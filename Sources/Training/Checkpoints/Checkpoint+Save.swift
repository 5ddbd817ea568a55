import Communication
import Foundation
import Glibc
import System
import Tensors

extension Checkpoint {
  /// The result of a successful save.
  package struct Saved: Sendable {
    package let path: String
    /// Problems that do not affect the checkpoint itself.
    package var warnings: [String] = []
    /// Why `latest` or `best` could not be updated; nil if both were.
    package var linkFailure: Failure?
  }

  /// Writes a checkpoint into `directory`, points `latest` to it (and `best`, if it is the best),
  /// and removes old checkpoints.
  ///
  /// The files are written to a temporary directory, which is synced and then renamed. So a crash
  /// at any moment leaves the old checkpoints intact, and at most some temporary entries, which the
  /// next start removes. Old checkpoints are removed last, when the new one and the links are on
  /// the disk.
  /// - Parameter count: the number of newest checkpoints to keep, besides the latest and the best.
  /// - Throws: Failure; then no checkpoint was created, and nothing else was changed.
  package static func save(
    model: Tensors, optimizer: Tensors, state: CheckpointState, in directory: String,
    keeping count: Int = .max
  ) throws -> Saved {
    let name = name(step: state.step)
    let final = directory + "/" + name
    let temporary = directory + "/" + temporaryPrefix + name
    let older = temporary + olderSuffix
    for path in [directory, final, temporary] { try refuseLink(path) }
    // Left behind by an earlier save that could not remove them.
    for path in [temporary, older] where fileType(path) != nil { remove(path) }
    do {
      try fill(temporary, model: model, optimizer: optimizer, state: state)
      // This step was saved before only if the run resumed from an earlier step.
      let isReplaced = fileType(final) != nil
      if isReplaced && rename(final, older) != 0 {
        throw systemFailure(.ioError, "cannot rename \(final) to \(older)")
      }
      guard rename(temporary, final) == 0 else {
        let failure = systemFailure(.ioError, "cannot rename \(temporary) to \(final)")
        if isReplaced { rename(older, final) }
        throw failure
      }
    } catch {
      remove(temporary)
      throw error
    }
    var saved = Saved(path: final)
    func sync(_ what: String) {
      do {
        try syncDirectory(directory)
      } catch {
        saved.warnings.append(
          "durability of \(what) uncertain: \(Failure(error, during: "saving"))")
      }
    }
    sync(final)
    do {
      try pointLinks(to: state, in: directory)
      if saved.warnings.isEmpty { sync("the links in \(directory)") }
    } catch let failure as Failure {
      saved.linkFailure = failure
    }
    if fileType(older) != nil { remove(older) }
    // Keep the old checkpoints if the new one may not be on the disk yet.
    if saved.warnings.isEmpty && saved.linkFailure == nil { prune(directory, keeping: count) }
    return saved
  }

  /// Creates the directory `temporary` with the three files, and syncs all of them to the disk.
  private static func fill(
    _ temporary: String, model: Tensors, optimizer: Tensors, state: CheckpointState
  ) throws {
    guard mkdir(temporary, 0o755) == 0 else {
      throw systemFailure(.ioError, "cannot make \(temporary)")
    }
    var state = state
    state.files[modelFile] = try Safetensors.write(model, to: temporary + "/" + modelFile)
    state.files[optimizerFile] = try Safetensors.write(
      optimizer, to: temporary + "/" + optimizerFile)
    state.digest = state.expectedDigest
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let text = String(decoding: try encoder.encode(state), as: UTF8.self) + "\n"
    _ = try DurableFile.write(text, to: temporary + "/" + stateFile)
    try syncDirectory(temporary)
  }

  // MARK: links

  /// Points `latest` to the checkpoint of `state`, and `best` to the best one according to `state`,
  /// if it exists. Links that are already correct are not touched.
  package static func pointLinks(to state: CheckpointState, in directory: String) throws {
    try link("latest", to: name(step: state.step), in: directory)
    if let best = state.best, fileType(directory + "/" + name(step: best.step)) == S_IFDIR {
      try link("best", to: name(step: best.step), in: directory)
    }
  }

  /// Points the symbolic link `link` to the checkpoint `name`, atomically.
  package static func link(_ link: String, to name: String, in directory: String) throws {
    let path = directory + "/" + link
    if target(of: path) == name { return }
    let temporary = directory + "/" + temporaryPrefix + link
    unlink(temporary)
    guard symlink(name, temporary) == 0, rename(temporary, path) == 0 else {
      let failure = systemFailure(.ioError, "cannot point \(path) to \(name)")
      unlink(temporary)
      throw failure
    }
  }

  private static func target(of link: String) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: link)
  }

  // MARK: removal

  /// Prefix of every entry that is being written, renamed or removed.
  private static let temporaryPrefix = ".tmp-"
  private static let olderSuffix = "-older"

  /// Removes all checkpoints except the newest `count` and the best. Checkpoints newer than
  /// `latest` are ones that a resumed run skipped as damaged. They are not counted, and they stay
  /// until the run reaches their step again.
  package static func prune(_ directory: String, keeping count: Int) {
    let latest = target(of: directory + "/latest")
    let best = target(of: directory + "/best")
    let names = names(in: directory)
    let first = names.firstIndex { $0 == latest } ?? 0
    for name in names[first...].dropFirst(count) where name != best {
      // Rename first, so that a crash cannot leave a partly removed directory under a checkpoint's
      // name.
      let older = directory + "/" + temporaryPrefix + name + olderSuffix
      if rename(directory + "/" + name, older) == 0 { remove(older) }
    }
  }

  /// Errors are ignored: the next start removes what is left.
  private static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  /// Removes what a save left behind in a crash. The caller must hold the run directory's lock.
  /// - Throws: `Failure(.cannotCreate)` if a checkpoint is a symbolic link, if `latest` or `best`
  ///   is not one, or if `directory` cannot be read or written.
  package static func prepare(_ directory: String) throws {
    guard let entries = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
      throw systemFailure(.cannotCreate, "cannot read \(directory)")
    }
    for entry in entries.sorted() {
      let path = directory + "/" + entry
      let isTemporary = entry.hasPrefix(temporaryPrefix)
      if (isTemporary ? entry.dropFirst(temporaryPrefix.count) : entry[...]).hasPrefix("step-") {
        try refuseLink(path)
      }
      if isTemporary && isOwn(entry.dropFirst(temporaryPrefix.count)) { remove(path) }
    }
    for link in ["latest", "best"] {
      guard let type = fileType(directory + "/" + link), type != S_IFLNK else { continue }
      throw Failure(
        .cannotCreate, "\(directory)/\(link) is not a symbolic link",
        remedy: "remove it, or name another directory with --run DIR")
    }
    let probe = directory + "/" + temporaryPrefix + "probe"
    guard mkdir(probe, 0o700) == 0, rmdir(probe) == 0 else {
      throw systemFailure(
        .cannotCreate, "cannot write in \(directory)",
        remedy: "name a directory you can write with --run DIR")
    }
  }

  /// Whether a temporary entry was created by this file. `name` is without the temporary prefix.
  private static func isOwn(_ name: Substring) -> Bool {
    if ["latest", "best", "probe"].contains(name) { return true }
    let rest = name.hasSuffix(olderSuffix) ? name.dropLast(olderSuffix.count) : name
    return rest.hasPrefix("step-") && rest.dropFirst(5).allSatisfy(\.isNumber)
  }

  private static func refuseLink(_ path: String) throws {
    if fileType(path) == S_IFLNK {
      throw Failure(
        .cannotCreate, "\(path) is a symbolic link",
        remedy: "remove it, or name another directory with --run DIR")
    }
  }
}

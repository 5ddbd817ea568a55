import Communication
import Foundation
import Glibc
import System
import Tensors

extension Checkpoint {
  /// What came of a save that committed.
  package struct Saved: Sendable {
    package let path: String
    /// What did not go as it should and costs no checkpoint.
    package var warnings: [String] = []
    /// Why `latest` or `best` points elsewhere, if it does.
    package var linkFailure: Failure?
  }

  /// Writes a checkpoint into `directory`, points `latest` to it, and `best` if it is, and removes old
  /// ones.
  ///
  /// A temporary directory is filled and synced, then renamed: a crash at any moment leaves the old
  /// checkpoints and at most temporary entries, which the next start removes. Old checkpoints go last,
  /// when the disk has the new one and the links.
  /// - Parameter count: how many of the newest are kept, besides the latest and the best.
  /// - Throws: Failure; then no checkpoint was made, and nothing else was changed.
  package static func save(
    model: Tensors, optimizer: Tensors, state: CheckpointState, in directory: String,
    keeping count: Int = .max
  ) throws -> Saved {
    let name = name(step: state.step)
    let final = directory + "/" + name
    let temporary = directory + "/" + temporaryPrefix + name
    let older = temporary + olderSuffix
    for path in [directory, final, temporary] { try refuseLink(path) }
    // What an earlier save could not remove.
    for path in [temporary, older] where fileType(path) != nil { remove(path) }
    do {
      try fill(temporary, model: model, optimizer: optimizer, state: state)
      // Only a run that went back and came here again meets its own older save.
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
    // What the disk may still be without is no reason to remove what it has.
    if saved.warnings.isEmpty && saved.linkFailure == nil { prune(directory, keeping: count) }
    return saved
  }

  /// Makes `temporary` with the three files, all of it on the disk.
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

  /// Points `latest` to the checkpoint of `state`, and `best` to the one that `state` says is, where
  /// it exists. Links that are right are left alone.
  package static func pointLinks(to state: CheckpointState, in directory: String) throws {
    try link("latest", to: name(step: state.step), in: directory)
    if let best = state.best, fileType(directory + "/" + name(step: best.step)) == S_IFDIR {
      try link("best", to: name(step: best.step), in: directory)
    }
  }

  /// Points the symbolic link `link` to the checkpoint `name`, in one step.
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

  // MARK: what goes

  /// Of whatever is being written, renamed or removed.
  private static let temporaryPrefix = ".tmp-"
  private static let olderSuffix = "-older"

  /// Removes all but the newest `count` and the best. Those that are newer than `latest`, which a run
  /// that went back passed over as damaged, do not count and stay until their step is reached again.
  package static func prune(_ directory: String, keeping count: Int) {
    let latest = target(of: directory + "/latest")
    let best = target(of: directory + "/best")
    let names = names(in: directory)
    let first = names.firstIndex { $0 == latest } ?? 0
    for name in names[first...].dropFirst(count) where name != best {
      // Renamed first: no crash leaves half of it under a checkpoint's name.
      let older = directory + "/" + temporaryPrefix + name + olderSuffix
      if rename(directory + "/" + name, older) == 0 { remove(older) }
    }
  }

  /// What cannot be removed now is removed at the next start.
  private static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  /// Removes what a crash left of a save. To be called under the run directory's lock.
  /// - Throws: `Failure(.cannotCreate)` where something in the place of a checkpoint leads elsewhere,
  ///   or nothing can be written here.
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

  /// Whether a temporary entry, its prefix taken off, is one that this file makes.
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

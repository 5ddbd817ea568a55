import FoundationEssentials
import Glibc
import System

/// What a disk may hold after the power failed at some moment of a recorded run.
///
/// POSIX promises of what was not synced nothing: of a file's writes, and of a directory's entries that
/// were made, renamed and removed, any may be there and any be missing. An fsync keeps what came before
/// it, of that file or that directory alone.
public struct DiskReplay {
  private enum Change {
    case write(offset: Int, bytes: [UInt8])
    case truncate(length: Int)
    /// Entries that change at once; nil: removed.
    case entries([(name: String, node: Int?)])
    case sync
  }

  private enum Kind {
    case file, directory
    case link(String)
  }

  private struct Step {
    let node: Int
    let change: Change
  }

  private var kinds: [Kind] = [.directory]
  private var steps: [Step] = []
  /// Where each synced node's next sync is, seen from a step: filled when all is recorded.
  private var syncAfter: [Int] = []
  // As the program sees it while it runs.
  private var entries: [Int: [String: Int]] = [0: [:]]
  private var sizes: [Int: Int] = [:]
  private var descriptors: [Int: (node: Int, offset: Int, appends: Bool)] = [:]
  private let root: String

  /// The number of moments at which the power may fail.
  public var stepCount: Int { steps.count }

  /// - Parameters:
  ///   - calls: of all threads, from the beginning of the run.
  ///   - root: the directory that is looked at, which is empty at the beginning.
  ///   - forgetting: path of an fsync that is left out.
  public init(
    _ calls: [SystemCall], root: String, forgetting: (_ path: String) -> Bool = { _ in false }
  ) {
    self.root = root
    var paths: [Int: String] = [:]
    for call in calls where call.result != nil { apply(call, &paths, forgetting) }
    var next: [Int: Int] = [:]
    syncAfter = [Int](repeating: .max, count: steps.count)
    for index in steps.indices.reversed() {
      if case .sync = steps[index].change { next[steps[index].node] = index }
      syncAfter[index] = next[steps[index].node] ?? .max
    }
  }

  /// The number of steps that were made when `bytes` were written to the file called `name`, a time each.
  public func writes(to name: String, below: Int = 0) -> [(step: Int, bytes: [UInt8])] {
    guard let node = entries[below]?[name] else { return [] }
    return steps.enumerated().compactMap { index, step in
      if step.node == node, case .write(_, let bytes) = step.change {
        (index + 1, bytes)
      } else {
        nil
      }
    }
  }

  /// How many steps were made when the directory `name` was made.
  public func firstStep(making name: String) -> Int? {
    steps.firstIndex { step in
      if case .entries(let changes) = step.change {
        changes.contains { $0.name == name && $0.node != nil }
      } else {
        false
      }
    }
  }

  /// Writes what may be there when the power fails after `count` steps into a new folder.
  /// - Parameter keeps: whether a change that was not synced is kept; asked for each in order.
  public func write(after count: Int, to folder: String, keeps: () -> Bool) {
    var directories: [Int: [String: Int]] = [:]
    var files: [Int: [UInt8]] = [:]
    for (index, step) in steps[..<count].enumerated() {
      if case .sync = step.change { continue }
      guard syncAfter[index] < count || keeps() else { continue }
      switch step.change {
      case .write(let offset, let bytes):
        var content = files[step.node] ?? []
        content += [UInt8](repeating: 0, count: max(offset + bytes.count - content.count, 0))
        content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        files[step.node] = content
      case .truncate(let length):
        let content = files[step.node] ?? []
        files[step.node] =
          content.prefix(length) + [UInt8](repeating: 0, count: max(length - content.count, 0))
      case .entries(let changes):
        for (name, node) in changes { directories[step.node, default: [:]][name] = node }
      case .sync: break
      }
    }
    write(0, to: folder, directories, files)
  }

  private func write(
    _ directory: Int, to path: String, _ directories: [Int: [String: Int]], _ files: [Int: [UInt8]]
  ) {
    mkdir(path, 0o700)
    for (name, node) in directories[directory] ?? [:] {
      let place = path + "/" + name
      switch kinds[node] {
      case .directory: write(node, to: place, directories, files)
      case .link(let target): symlink(target, place)
      case .file:
        let file = open(place, O_WRONLY | O_CREAT, 0o600)
        let bytes = files[node] ?? []
        Glibc.write(file, bytes, bytes.count)
        close(file)
      }
    }
  }

  // MARK: recording

  /// The directory and the name of a path below the root; nil for another's.
  private func place(_ path: String) -> (directory: Int, name: String)? {
    guard path.hasPrefix(root + "/") else { return nil }
    var names = path.dropFirst(root.count + 1).split(separator: "/").map(String.init)
    let last = names.removeLast()
    var directory = 0
    for name in names {
      guard let next = entries[directory]?[name] else { return nil }
      directory = next
    }
    return (directory, last)
  }

  private func node(_ path: String) -> Int? {
    path == root ? 0 : place(path).flatMap { entries[$0.directory]?[$0.name] }
  }

  private mutating func change(_ directory: Int, _ changes: [(name: String, node: Int?)]) {
    for (name, node) in changes { entries[directory]![name] = node }
    steps.append(Step(node: directory, change: .entries(changes)))
  }

  private mutating func make(_ kind: Kind, at path: String) -> Int? {
    guard let (directory, name) = place(path) else { return nil }
    let node = kinds.count
    kinds.append(kind)
    if case .directory = kind { entries[node] = [:] }
    change(directory, [(name, node)])
    return node
  }

  private mutating func apply(
    _ call: SystemCall, _ paths: inout [Int: String], _ forgetting: (String) -> Bool
  ) {
    switch call.name {
    case "openat":
      let path = call.text(1)
      let flags = call.text(2)
      descriptors[call.result!] = nil
      guard path == root || path.hasPrefix(root + "/") else { return }
      let known = node(path)
      guard let node = known ?? make(.file, at: path) else { return }
      descriptors[call.result!] = (node, 0, flags.contains("O_APPEND"))
      paths[call.result!] = path
    case "close": descriptors[Int(call.text(0))!] = nil
    case "write", "pwrite64":
      let number = Int(call.text(0))!
      guard let (node, position, appends) = descriptors[number] else { return }
      let bytes = Array(call.arguments[1].prefix(call.result!))
      let isPlaced = call.name == "pwrite64"
      let offset = isPlaced ? Int(call.text(3))! : appends ? sizes[node, default: 0] : position
      steps.append(Step(node: node, change: .write(offset: offset, bytes: bytes)))
      sizes[node] = max(sizes[node, default: 0], offset + bytes.count)
      if !isPlaced { descriptors[number]!.offset = offset + bytes.count }
    case "ftruncate":
      guard let (node, _, _) = descriptors[Int(call.text(0))!] else { return }
      sizes[node] = Int(call.text(1))!
      steps.append(Step(node: node, change: .truncate(length: sizes[node]!)))
    case "fsync", "fdatasync":
      let number = Int(call.text(0))!
      guard let node = descriptors[number]?.node, !forgetting(paths[number]!) else { return }
      steps.append(Step(node: node, change: .sync))
    case "mkdir": _ = make(.directory, at: call.text(0))
    case "symlink": _ = make(.link(call.text(0)), at: call.text(1))
    case "rename":
      guard let from = place(call.text(0)), let to = place(call.text(1)) else { return }
      require(from.directory == to.directory, "the replay knows no rename between directories")
      change(from.directory, [(from.name, nil), (to.name, entries[from.directory]![from.name]!)])
    case "unlink", "rmdir":
      guard let (directory, name) = place(call.text(0)) else { return }
      change(directory, [(name, nil)])
    default:
      let concerns =
        descriptors[Int(call.text(0)) ?? -1] != nil
        || call.arguments.indices.contains { call.text($0).hasPrefix(root) }
      require(!concerns, "the replay knows no \(call.name)")
    }
  }

  /// The calls it knows, and those that it must not meet.
  public static let calls =
    "openat,open,creat,close,write,pwrite64,writev,pwritev,ftruncate,truncate,fsync,fdatasync,"
    + "mkdir,mkdirat,symlink,symlinkat,link,linkat,rename,renameat,renameat2,unlink,unlinkat,rmdir"
}

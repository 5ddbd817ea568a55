import Datasets
import Layers
import Synchronization
import System
import Tensors

/// Makes a network from a recipe's options.
public typealias ModelMaker = @Sendable (Options) throws -> any Module
/// Makes a loss from a recipe's options.
public typealias LossMaker = @Sendable (Options) throws -> any Loss
/// Makes a data set from a recipe's options.
public typealias DataMaker = @Sendable (Options) throws -> TrainingData

/// The networks, losses and data sets that a program adds to the built-in kinds.
package struct OwnKinds: Sendable {
  private var models: [String: ModelMaker] = [:]
  private var losses: [String: LossMaker] = [:]
  private var datasets: [String: DataMaker] = [:]

  private static let registered = Mutex<(kinds: OwnKinds, isUsed: Bool)>((OwnKinds(), false))

  package init() {}

  /// Registers kinds by name. Must be called before the first recipe is read.
  /// - Throws: `Failure(.usage)` for a name that is already used, or after a recipe was read.
  package static func register(
    models: [String: ModelMaker], losses: [String: LossMaker], datasets: [String: DataMaker]
  ) throws {
    func check(_ what: String, _ names: some Sequence<String>, _ taken: [String]) throws {
      if let name = names.sorted().first(where: { taken.contains($0) || $0.isEmpty }) {
        throw Failure(
          .usage, "a \(what) of one's own cannot be called '\(name)': that is one of recipes' own",
          remedy: "register it under another name")
      }
    }
    try check("model", models.keys, ArchitectureKind.builtIn.map(\.kind.name))
    try check("loss", losses.keys, LossKind.builtIn.map(\.kind.name))
    try check("data set", datasets.keys, DatasetKind.builtIn.map(\.kind.name))
    try registered.withLock { state in
      guard !state.isUsed else {
        throw Failure(
          .usage, "kinds were registered after the first recipe was read",
          remedy: "register them before")
      }
      state.kinds.models.merge(models) { $1 }
      state.kinds.losses.merge(losses) { $1 }
      state.kinds.datasets.merge(datasets) { $1 }
    }
  }

  private static func used() -> OwnKinds {
    registered.withLock { state in
      state.isUsed = true
      return state.kinds
    }
  }

  /// The names of all kinds, a line for each sort; empty without any.
  package static var list: String {
    let kinds = used()
    let lines: [(String, [String])] = [
      ("architectures", Array(kinds.models.keys)), ("losses", Array(kinds.losses.keys)),
      ("data sets", Array(kinds.datasets.keys)),
    ]
    return lines.filter { !$0.1.isEmpty }
      .map { "\n\($0.0) of this program: \($0.1.sorted().joined(separator: ", "))" }.joined()
  }

  // The kinds are sorted, because a dictionary's order differs between processes.

  static func architectures() -> [ArchitectureKind] {
    used().models.sorted { $0.key < $1.key }.map { name, make in
      let kind = Kind(own: name, "A network of this program.") { _ = try make($0) }
      return ArchitectureKind(own: kind) { remake(name, $0, make) }
    }
  }

  static func lossKinds() -> [LossKind] {
    used().losses.sorted { $0.key < $1.key }.map { name, make in
      let kind = Kind(own: name, "A loss of this program.") { _ = try make($0) }
      return LossKind(kind: kind) { remake(name, $0, make) }
    }
  }

  static func datasetKinds() -> [DatasetKind] {
    used().datasets.sorted { $0.key < $1.key }.map { name, make in
      let kind = Kind(own: name, "A data set of this program.") { _ = try make($0) }
      return DatasetKind(own: kind) { try make(Options($0)) }
    }
  }

  /// Calls `make` with arguments that it accepted when the recipe was read, so it must not throw.
  private static func remake<T>(
    _ name: String, _ arguments: Arguments, _ make: (Options) throws -> T
  ) -> T {
    do {
      return try make(Options(arguments))
    } catch {
      fatalError("\(name) was made from these options before, and now: \(error)")
    }
  }
}

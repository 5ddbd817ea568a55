import Autograd
import CSystem
import System
import Tensors

/// Records the outputs of modules inside a network during a forward pass.
public enum ActivationRecorder {
  /// Runs `body`, a forward pass of `network` on this thread. Returns the output of the last call
  /// of each named module, in the order of `names`. Several threads may record at the same time.
  ///
  /// For a recurrent layer, the output is the one that its network uses: the outputs of all steps,
  /// or the last hidden state. Tensors keep their autograd history, unless `body` runs in `noGrad`.
  /// - names: full names as in `forEachModule`; "" is the whole network, whose output is the return
  ///   value of `body`.
  /// - Throws: `Failure(.usage)` for an unknown name, and for a module that the forward pass did
  ///   not call, such as a ModuleList. The remedy lists the names to choose from.
  public static func record(
    _ names: [String], in network: any Module, _ body: () throws -> Tensor
  ) throws -> [(name: String, output: Tensor)] {
    var modules: [(name: String, module: any Module)] = []
    network.forEachModule { modules.append(($0, $1)) }
    for name in names where !modules.contains(where: { $0.name == name }) {
      throw unknown(name, modules.map(\.name))
    }
    let chosen = names.map { name in modules.first { $0.name == name }!.module }
    let recording = Recording(of: chosen)
    let before = nd_thread_slot(recordingSlot)
    nd_set_thread_slot(recordingSlot, Unmanaged.passUnretained(recording).toOpaque())
    defer { nd_set_thread_slot(recordingSlot, before) }
    let output = try withExtendedLifetime(recording) { try body() }
    return try zip(names, chosen).map { name, module in
      if module === network { return (name, output) }
      guard let known = recording.outputs[ObjectIdentifier(module)] else {
        throw Failure(
          .usage,
          "the module \(name) has no output: the forward pass did not call this \(module.typeName)",
          remedy: choice(below: name, modules.map(\.name)))
      }
      return (name, known)
    }
  }

  /// Whether this thread is inside `record`.
  static var isRecording: Bool { nd_thread_slot(recordingSlot) != nil }

  private static func unknown(_ name: String, _ names: [String]) -> Failure {
    // Find the longest prefix of the name that is a module.
    var parent = name
    repeat {
      parent = parent.lastIndex(of: ".").map { String(parent[..<$0]) } ?? ""
    } while !names.contains(parent)
    return Failure(
      .usage,
      "the network has no layer \(name)"
        + (parent.isEmpty ? "" : "; \(parent) is the last that is there"),
      remedy: choice(below: parent, names))
  }

  /// Returns a remedy that lists the children of a module; or those of the network, if it has none.
  private static func choice(below parent: String, _ names: [String]) -> String {
    func children(_ prefix: String) -> [String] {
      names.filter {
        !$0.isEmpty && $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains(".")
      }
    }
    let near = parent.isEmpty ? [] : children(parent + ".")
    let all = near.isEmpty ? children("") : near
    return all.isEmpty
      ? "the network has no modules inside" : "choose from \(all.joined(separator: ", "))"
  }
}

extension Module {
  /// Calls the module and reports its output to the `ActivationRecorder`. Networks call their
  /// children through it.
  public func call(_ x: Tensor) -> Tensor { noted(self(x)) }

  /// Reports `output` as this module's output to the `ActivationRecorder`, and returns it. For
  /// children that a network uses in another way than `call`.
  public func noted(_ output: Tensor) -> Tensor {
    if let recording = nd_thread_slot(recordingSlot) {
      Unmanaged<Recording>.fromOpaque(recording).takeUnretainedValue().note(output, of: self)
    }
    return output
  }
}

/// The thread slot of the current recording; usually empty.
private let recordingSlot: Int32 = 2

private final class Recording {
  private let modules: Set<ObjectIdentifier>
  private(set) var outputs: [ObjectIdentifier: Tensor] = [:]

  init(of modules: [any Module]) { self.modules = Set(modules.map { ObjectIdentifier($0) }) }

  func note(_ output: Tensor, of module: any Module) {
    if modules.contains(ObjectIdentifier(module)) { outputs[ObjectIdentifier(module)] = output }
  }
}

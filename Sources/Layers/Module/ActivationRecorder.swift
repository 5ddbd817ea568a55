import Autograd
import CSystem
import System
import Tensors

/// What modules inside a network put out during a forward pass.
public enum ActivationRecorder {
  /// Runs `body`, a forward pass of `network` on this thread, and gives what the named modules put out
  /// in their last call, in the order of `names`; several threads may do so at once.
  ///
  /// Of a recurrent layer it is what its network goes on with: the outputs of all steps, or the last
  /// hidden state. Tensors keep their history, unless `body` runs in `noGrad`.
  /// - names: as `forEachModule` names them; "" is the whole network, whose output is what `body`
  ///   returns.
  /// - Throws: `Failure(.usage)` for a name the network has not, and for a module that the forward
  ///   pass did not call (a ModuleList, say), with those to choose from.
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

  /// Whether this thread is in such a forward pass.
  static var isRecording: Bool { nd_thread_slot(recordingSlot) != nil }

  private static func unknown(_ name: String, _ names: [String]) -> Failure {
    // As far as the name leads.
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

  /// Says which names there are directly below a module, or else in the network.
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
  /// What a network calls its children by: their output, which an `ActivationRecorder` takes note of.
  public func call(_ x: Tensor) -> Tensor { noted(self(x)) }

  /// `output`, noted as this module's. For a child that a network does not simply call.
  public func noted(_ output: Tensor) -> Tensor {
    if let recording = nd_thread_slot(recordingSlot) {
      Unmanaged<Recording>.fromOpaque(recording).takeUnretainedValue().note(output, of: self)
    }
    return output
  }
}

/// The thread's recording; none most of the time.
private let recordingSlot: Int32 = 2

private final class Recording {
  private let modules: Set<ObjectIdentifier>
  private(set) var outputs: [ObjectIdentifier: Tensor] = [:]

  init(of modules: [any Module]) { self.modules = Set(modules.map { ObjectIdentifier($0) }) }

  func note(_ output: Tensor, of module: any Module) {
    if modules.contains(ObjectIdentifier(module)) { outputs[ObjectIdentifier(module)] = output }
  }
}

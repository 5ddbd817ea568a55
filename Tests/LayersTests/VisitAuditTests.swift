import Foundation
import Layers
import Tensors
import Testing

/// Reflection audits what `visit` names: a forgotten parameter would never be trained or saved.
struct VisitAuditTests {
  /// Every tensor and module a value holds, found by reflection through optionals, arrays, tuples,
  /// dictionaries and superclasses, but not inside other modules and tensors.
  private func held(by value: Any) -> Set<ObjectIdentifier> {
    var found: Set<ObjectIdentifier> = []
    var mirror: Mirror? = Mirror(reflecting: value)
    while let level = mirror {
      for child in level.children {
        if let tensor = child.value as? Tensor {
          found.insert(ObjectIdentifier(tensor))
        } else if let module = child.value as? any Module {
          found.insert(ObjectIdentifier(module))
        } else {
          found.formUnion(held(by: child.value))
        }
      }
      mirror = level.superclassMirror
    }
    return found
  }

  private func visited(by module: any Module) -> Set<ObjectIdentifier> {
    let visitor = Visitor(module)
    return Set(
      visitor.parameters.map { ObjectIdentifier($0.tensor) }
        + visitor.buffers.map { ObjectIdentifier($0.tensor) }
        + visitor.children.map { ObjectIdentifier($0.module) })
  }

  /// One of every class in Sources/Layers, with all it can hold.
  static var layers: [any Module] {
    [
      Linear(3, 2), Linear(3, 2, bias: false), Flatten(), ReLU(), Sequential(),
      Sequential(ReLU(), Linear(3, 3), Sequential(Linear(3, 2))),
      Conv2d(1, 2, kernel: 3), Conv2d(1, 2, kernel: 3, bias: false),
      ConvTranspose2d(1, 2, kernel: 3), ConvTranspose2d(1, 2, kernel: 3, bias: false),
      MaxPool2d(2), AvgPool2d(2), AdaptiveAvgPool2d(1), Unflatten(axis: 1, sizes: [2, 3]),
      LeakyReLU(), GELU(), SiLU(), Sigmoid(), Tanh(), Softmax(axis: 1), LogSoftmax(axis: 1),
      Threshold(0.5, 0), Dropout(), BatchNorm1d(3), BatchNorm2d(3),
      BatchNorm2d(3, affine: false), BatchNorm1d(3, tracksStatistics: false),
      BatchNorm2d(3, isSynchronized: true), LayerNorm([3]),
      LayerNorm([3], bias: false), LayerNorm([3], affine: false), Embedding(3, 2),
      ModuleList([Linear(3, 2), ReLU()]),
      RNN(3, 2), LSTM(3, 2, layerCount: 2, isBidirectional: true), GRU(3, 2, bias: false),
      MultiheadAttention(4, headCount: 2), MultiheadAttention(4, headCount: 2).output,
      Divide(255), View([2, 3]),
      ClassifierNet(
        inputs: 2, outputs: 1, hiddenLayers: 2, nodes: 3, activation: ReLU(),
        outputActivation: Sigmoid()),
      ElmanNetwork(inputSize: 1, hiddenSize: 2, outputSize: 1),
      Autoencoder(inputs: 4, hidden: 2, image: [2, 2]), Parabola(), Point(start: 1),
      SequenceNet(cell: .lstm, inputSize: 1, hiddenSize: 2, outputSize: 1, isBidirectional: true),
      SequenceAutoencoder(cell: .gru, features: 2, length: 3, hiddenSize: 2),
      Seq2Seq(cell: .tanh, symbols: 3, hiddenSize: 2),
    ]
  }

  @Test func visitNamesEveryTensorAndModuleOfEveryLayer() {
    for layer in Self.layers {
      #expect(held(by: layer) == visited(by: layer), "\(layer.summary)")
    }
    #expect(held(by: Linear(3, 2)).count == 2)
    #expect(held(by: BatchNorm2d(3)).count == 5)
  }

  @Test func theAuditFindsWhatVisitForgot() {
    class Forgetful: Module {
      let kept = Linear(1, 1)
      let forgotten: [(String, Tensor?)] = [("scale", Tensor(zeros: [1]))]
      func visit(_ v: inout Visitor) { v("kept", kept) }
      func callAsFunction(_ x: Tensor) -> Tensor { x }
    }
    final class Heir: Forgetful {}
    for module in [Forgetful(), Heir()] {
      #expect(held(by: module).subtracting(visited(by: module)).count == 1)
    }
  }

  /// A new layer must join `layers` above.
  @Test func everyLayerClassIsAudited() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources/Layers")
    let audited = Set(Self.layers.map { String(describing: type(of: $0)) })
    var classes: Set<String> = []
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    for file in files where file.hasSuffix(".swift") {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      let code = text.split(separator: "\n").filter { !$0.hasPrefix("///") }.joined(separator: "\n")
      for match in code.matches(
        of: /final class (\w+)[^{\n]*: [^{\n]*\b(Module|RandomLayer|SequenceGenerator)\b/)
      {
        classes.insert(String(match.1))
      }
    }
    #expect(classes.isSuperset(of: ["Linear", "Sequential"]))
    #expect(classes == audited)
  }
}

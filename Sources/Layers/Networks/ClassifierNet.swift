import Autograd
import System
import Tensors

/// Linear layers with the same activation after each, and another one, or none, after the last: the
/// notebooks' ClassifierNet (systems S14 to S22).
/// - Input [N, inputs], output [N, outputs].
public final class ClassifierNet: Module {
  public let layerList: ModuleList
  public let outputLayer: Linear
  public let activation: any Module
  public let outputActivation: (any Module)?
  /// If it is set to t, hidden activations a become 1 where a > t and 0 elsewhere; in the notebook
  /// this is Threshold(t, 0)(a) / a. No gradient flows through them.
  public var binaryThreshold: Double?
  /// The activations, if a linear layer can compute them together with its product; else nil.
  private let fusedActivation, fusedOutputActivation: OutputActivation?

  /// - Precondition: at least one hidden layer.
  public init(
    inputs: Int, outputs: Int, hiddenLayers: Int, nodes: Int, activation: any Module,
    outputActivation: (any Module)? = nil, binaryThreshold: Double? = nil
  ) {
    require(hiddenLayers > 0, "ClassifierNet: needs a hidden layer, not \(hiddenLayers)")
    layerList = ModuleList((0..<hiddenLayers).map { Linear($0 == 0 ? inputs : nodes, nodes) })
    outputLayer = Linear(nodes, outputs)
    self.activation = activation
    self.outputActivation = outputActivation
    self.binaryThreshold = binaryThreshold
    fusedActivation = OutputActivation(activation)
    fusedOutputActivation = outputActivation.flatMap { OutputActivation($0) }
  }

  public func visit(_ v: inout Visitor) {
    v("layer_list", layerList)
    v("output_layer", outputLayer)
    v("activation", activation)
    if let outputActivation { v("output_activation", outputActivation) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let hidden = layerList.reduce(x) { x, layer in
      let a = ClassifierNet.call(layer, activation, fusedActivation, x)
      return binaryThreshold.map { (a .> $0).to(a.dtype) } ?? a
    }
    guard let outputActivation else { return outputLayer.call(hidden) }
    return ClassifierNet.call(outputLayer, outputActivation, fusedOutputActivation, hidden)
  }

  /// Applies a layer and its activation: together if possible and if no recorder needs the output
  /// of the layer.
  private static func call(
    _ layer: any Module, _ activation: any Module, _ fused: OutputActivation?, _ x: Tensor
  ) -> Tensor {
    if let fused, !ActivationRecorder.isRecording, let layer = layer as? Linear {
      return layer(x, activation: fused)
    }
    return activation.call(layer.call(x))
  }
}

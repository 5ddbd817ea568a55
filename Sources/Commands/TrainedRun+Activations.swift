import Autograd
import Datasets
import Layers
import System
import Tensors

extension TrainedRun {
  /// Returns the name of a layer and its outputs for the first `count` samples of a split,
  /// flattened to one row for each sample.
  /// - layer: its name as in PyTorch's `named_modules()`; nil: the layer with the fewest outputs.
  /// - Throws: Failure if the network does not have the layer.
  func activations(
    of layer: String?, samples count: Int, from reader: SplitReader
  ) throws -> (layer: String, rows: [[Float]]) {
    module.eval()
    var rows: [[Float]] = []
    var name = layer
    while rows.count < count {
      let batch = try reader.read(min(256, count - rows.count), format)
      try noGrad {
        if name == nil { name = try narrowestLayer(for: batch.inputs) }
        let found = try ActivationRecorder.record([name!], in: module) {
          module(batch.inputs).first
        }
        let output = found[0].output
        let width = output.elementCount / output.shape[0]
        let values = output.values(Float.self)
        rows += (0..<output.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
      }
    }
    return (name!, rows)
  }

  /// Returns the layer with the fewest outputs for each sample, such as an autoencoder's code; of
  /// equal layers, the last. Layers with a single output are used only if there are no others,
  /// because a single number has no direction.
  private func narrowestLayer(for inputs: NamedTensors) throws -> String {
    var narrowest: (name: String, width: Int)?
    var names: [String] = []
    module.forEachModule { name, module in
      if !name.isEmpty { names.append(name) }
    }
    for name in names {
      // Some modules, such as lists of others, have no output.
      guard
        let output = try? ActivationRecorder.record([name], in: module, { module(inputs).first })
          .first?
          .output
      else { continue }
      let width = output.elementCount / max(output.shape[0], 1)
      let known = narrowest?.width ?? 1
      if known == 1 || (width > 1 && width <= known) { narrowest = (name, width) }
    }
    guard let narrowest else {
      throw Failure(.usage, "the network has no layers", remedy: "train one that has")
    }
    return narrowest.name
  }
}

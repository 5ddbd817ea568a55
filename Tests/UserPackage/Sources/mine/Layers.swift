import NNDist

/// y = x + bend(W x + b), on [N, width].
final class BendBlock: Module {
  let linear: Linear

  init(width: Int) { linear = Linear(width, width) }

  func visit(_ v: inout Visitor) { v("linear", linear) }

  func callAsFunction(_ x: Tensor) -> Tensor { x + linear(x).bend() }
}

/// Adds normal noise in training.
/// - Input and output [N, ...], a row for each sample.
final class Noise: RandomLayer {
  let random = RandomSource()
  let deviation: Double

  init(_ deviation: Double) { self.deviation = deviation }

  func callAsFunction(_ x: Tensor) -> Tensor {
    guard random.isTraining, deviation > 0 else { return x }
    return x + random.key(rows: x.shape[0]).normals(x.shape) * deviation
  }
}

/// Subtracts the mean over the global batch: y = x - mean;  dx = dy - the mean of dy. In evaluation
/// the running mean is subtracted.
/// - Input and output [N, features].
final class BatchCenter: GlobalBatchLayer {
  let runningMean: Tensor  // [features]
  var synchronizer: (any BatchSynchronizer)?
  private var isTraining = true

  init(_ features: Int) { runningMean = Tensor(zeros: [features]) }

  /// The sums of the features, and the number of samples.
  var maximumSumCount: Int { runningMean.elementCount + 1 }

  func visit(_ v: inout Visitor) { v.buffer("running_mean", runningMean) }

  func setMode(isTraining: Bool) { self.isTraining = isTraining }

  func callAsFunction(_ x: Tensor) -> Tensor {
    guard isTraining else { return x - runningMean }
    let (synchronizer, features) = (synchronizer, runningMean.elementCount)
    func mean(_ x: Tensor) -> Tensor {
      let own = x.sum(axes: [0]).values(Float.self) + [Float(x.shape[0])]
      let all = synchronizer?.sum(own) ?? own
      return Tensor(all.prefix(features).map { $0 / all[features] }, shape: [features])
    }
    let input = x.value
    let center = mean(input)
    let running = runningMean.pointer(Float.self)
    for (index, value) in center.values(Float.self).enumerated() {
      running[index] += 0.1 * (value - running[index])
    }
    return record("batchCenter", inputs: [x], value: input - center, saving: []) { dy in
      [dy - mean(dy)]
    }
  }
}

/// A network with two outputs: the height of a hill and its kind.
/// - Input "x" [N, 3], outputs "height" [N] and "kind" [N, 3].
final class HillNet: MultiInputModule {
  let first: Linear
  let noise: Noise
  let center: BatchCenter?
  let blocks: [BendBlock]
  let height: Linear
  let kind: Linear

  init(width: Int, blocks count: Int = 2, noise deviation: Double = 0.05, centers: Bool = false) {
    first = Linear(3, width)
    noise = Noise(deviation)
    center = centers ? BatchCenter(width) : nil
    blocks = (0..<count).map { _ in BendBlock(width: width) }
    height = Linear(width, 1)
    kind = Linear(width, 3)
  }

  func visit(_ v: inout Visitor) {
    v("first", first)
    v("noise", noise)
    if let center { v("center", center) }
    for (index, block) in blocks.enumerated() { v("blocks.\(index)", block) }
    v("height", height)
    v("kind", kind)
  }

  func forward(_ inputs: NamedTensors) -> NamedTensors {
    var x = noise(first(inputs["x"]))
    if let center { x = center(x) }
    for block in blocks { x = block(x) }
    return ["height": height(x).reshaped([x.shape[0]]), "kind": kind(x)]
  }
}

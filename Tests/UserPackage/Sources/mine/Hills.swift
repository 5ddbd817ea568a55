import Foundation
import NNDist

/// Points on a hill: the targets are its height there, and which third of the heights it is in.
struct Hills: Dataset {
  let count: Int
  let inputs = [Feature("x", shape: [3])]
  let targets = [Feature("height"), Feature("kind", .classIndex(count: 3))]

  init(count: Int = 301) { self.count = count }

  func read(_ index: Int, into sample: inout Sample) throws {
    let t = Float(index)
    let (a, b, c) = (sin(t * 1.7), cos(t * 0.9), sin(t * 0.31 + 1))
    let height = a * b + 0.5 * c
    sample.write([a, b, c], to: "x")
    sample.write(height, to: "height")
    sample.write(height < -0.25 ? 0 : height < 0.25 ? 1 : 2, to: "kind")
  }
}

/// The squared error of the height, and the cross-entropy of the kind times `weight`.
struct HillLoss: Loss {
  var weight = 0.5
  /// Milliseconds to sleep at each call, for tests that kill the program.
  var pause = 0

  func callAsFunction(
    _ outputs: NamedTensors, _ targets: NamedTensors, globalCount: Int
  ) -> Tensor {
    if pause > 0 { usleep(UInt32(pause) * 1000) }
    return MSELoss()(outputs["height"], targets["height"], globalCount: globalCount)
      + CrossEntropyLoss()(outputs["kind"], targets["kind"], globalCount: globalCount) * weight
  }
}

/// The part of the samples whose kind is predicted right.
struct KindAccuracy: Metric {
  let name = "kind_accuracy"

  func counts(_ outputs: NamedTensors, _ targets: NamedTensors) -> [Double] {
    let predicted = outputs["kind"].argmax(axis: 1).values(Int64.self)
    let actual = targets["kind"].values(Int64.self)
    return [Double(zip(predicted, actual).count { $0 == $1 }), Double(actual.count)]
  }

  func value(_ counts: [Double]) -> Double { counts[0] / counts[1] }
}

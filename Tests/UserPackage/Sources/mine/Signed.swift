import NNDist

/// Lion (Chen et al., 2023): c = sign(beta1 m + (1 - beta1) g);  p -= lr (c + weightDecay p);
/// m = beta2 m + (1 - beta2) g.
final class Signed: Optimizer {
  let name = "Signed"
  let groups: [ParameterGroup]
  let weightDecay: Double
  private let momentum: Tensor  // [elementCount]
  private let beta1: Float = 0.9
  private let beta2: Float = 0.99

  init(elementCount: Int, weightDecay: Double, groups: [ParameterGroup]) {
    self.groups = groups
    self.weightDecay = weightDecay
    momentum = Tensor(zeros: [elementCount])
  }

  var state: [(name: String, arena: Tensor)] { [("exp_avg", momentum)] }

  func update(_ run: ElementRun) {
    let m = run.state(momentum, of: "Signed")
    let (rate, decay) = (Float(run.learningRate), Float(run.weightDecay))
    for i in 0..<run.count {
      let g = run.gradients[i]
      let mixed = beta1 * m[i] + (1 - beta1) * g
      let direction: Float = mixed > 0 ? 1 : mixed < 0 ? -1 : 0
      run.parameters[i] -= rate * (direction + decay * run.parameters[i])
      m[i] = beta2 * m[i] + (1 - beta2) * g
    }
  }
}

extension OptimizerFactory {
  static func signed(learningRate: Double, weightDecay: Double = 0) -> OptimizerFactory {
    OptimizerFactory(learningRate: learningRate) { elementCount, groups in
      Signed(elementCount: elementCount, weightDecay: weightDecay, groups: groups)
    }
  }
}

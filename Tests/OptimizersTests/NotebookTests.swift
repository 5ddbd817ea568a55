import Autograd
import Layers
import Optimizers
import Tensors
import TestSupport
import Testing

/// Notebook cells written line by line, with the numbers the notebooks print (or their exact values).
@Suite struct NotebookTests {
  /// Gradient descent on x^2 by hand from 1 with rate 0.1 (system S07): 0.8^10.
  @Test func parabolaDescentByHand() {
    let x = Tensor(scalar: Float(1))
    x.requiresGrad = true
    for step in 1...10 {
      x.square().backward()
      let moved = x.value - 0.1 * x.grad!
      noGrad { x.assign(moved) }
      x.zeroGrad()
      if step == 1 { #expect(abs(x.item() - 0.8) < 1e-7) }
    }
    #expect(abs(x.item() - 0.1073741824) < 1e-7)
  }

  /// w x^2 + b against x^2, SGD at 0.1, 20 steps; the gradients of an earlier backward are not
  /// cleared, and the printed numbers need them (system S08).
  @Test(arguments: [(false, 0.9263, 0.1602), (true, 0.9198, 0.1743)])
  func parabolaFit(clearsFirst: Bool, expectedW: Double, expectedB: Double) {
    let x = Tensor.linspace(-2, 2, 100)
    let y = x.square()
    let (w, b) = (Tensor.ones([]), Tensor.ones([]))
    w.requiresGrad = true
    b.requiresGrad = true
    #expect(abs((w * x.square() + b)[0].item() - 5) < 1e-6)
    meanSquaredError(y, w * x.square() + b).backward()
    #expect(abs(w.grad!.item() - 2.7205) < 5e-5 && abs(b.grad!.item() - 2) < 5e-5)
    if clearsFirst { for parameter in [w, b] { parameter.zeroGrad() } }

    let optimizer = ParameterOptimizer([w, b], learningRate: 0.1) { _ in SGD() }
    for _ in 0..<20 {
      let loss = meanSquaredError(y, w * x.square() + b)
      loss.backward()
      optimizer.step()
      optimizer.zeroGrad()
    }
    #expect(abs(w.item() - expectedW) < 5e-5 && abs(b.item() - expectedB) < 5e-5)
  }

  /// One step towards a line through 15 points, the rate far too high, from the printed weights and
  /// the printed x (system S09), without the noise: what it comes to is worked out by hand.
  @Test func lineOneStep() {
    let x: [Float] = [26, 17, 28, 18, 24, 14, 13, 2, 8, 19, 25, 14, 29, 17, 30]
    let line = Linear(1, 1)
    noGrad {
      line.weight.assign(Tensor.full([1, 1], -0.2880))
      line.bias!.assign(Tensor.full([1], -0.1145))
    }
    let inputs = Tensor(x, shape: [15, 1])
    let targets = inputs * 3 + 4
    let loss = meanSquaredError(line(inputs), targets)
    loss.backward()
    ParameterOptimizer([line.weight, line.bias!], learningRate: 0.01) { _ in SGD() }.step()
    // By hand: d = -3.288 x - 4.1145, w -= 0.01 * 2 mean(d x), b -= 0.01 * 2 mean(d).
    let distances = x.map { -3.288 * Double($0) - 4.1145 }
    let meanDX = zip(distances, x).reduce(0) { $0 + $1.0 * Double($1.1) } / 15
    #expect(abs(line.weight.item() - (-0.2880 - 0.02 * meanDX)) < 1e-4)
    #expect(abs(line.bias!.item() - (-0.1145 - 0.02 * distances.reduce(0, +) / 15)) < 1e-5)
    #expect(abs(loss.item() - distances.reduce(0) { $0 + $1 * $1 } / 15) < 1e-2)
  }

  /// BCELoss of single probabilities against 1 (system S13): 4.6052 1.2040 0.6931 0.
  @Test(arguments: [(0.01, 4.6052), (0.3, 1.2040), (0.5, 0.6931), (1, 0)])
  func binaryCrossEntropyProbe(probability: Double, expected: Double) {
    let loss = BCELoss()(Tensor.full([1], probability), Tensor.ones([1]))
    #expect(abs(loss.item() - expected) < 5e-5)
  }

  /// A perceptron on one sample without a batch axis (system S05): the gradient of the bias is nil
  /// before the first backward, and the functions behind the loss can be walked.
  @Test func perceptronsGradientFunctions() {
    let perceptron = Sequential(Linear(48, 10), Sigmoid())
    let x = Tensor.randn([1, 48], seed: 1, purpose: "input")
    let target = Tensor.randn([1, 10], seed: 1, purpose: "target")
    let bias = perceptron.namedParameters[1].tensor
    #expect(perceptron.namedParameters.map { Array($0.tensor.shape) } == [[10, 48], [10]])
    let loss = MSELoss()(perceptron(x), target)
    #expect(bias.grad == nil)
    var names: [String] = []
    var next = loss.gradientFunction
    while let function = next {
      names.append("\(function)")
      next = function.nextFunctions.compactMap { $0 }.first
    }
    #expect(names == ["MeanSquaredErrorBackward", "SigmoidBackward", "LinearBackward"])
    loss.backward()
    #expect(bias.grad?.shape == [10])
  }
}

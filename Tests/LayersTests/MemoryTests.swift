import Autograd
import Foundation
import Layers
import Optimizers
import System
import Tensors
import TestSupport
import Testing

/// Training holds on to nothing: neither memory nor graphs.
struct MemoryTests {
  /// Resident kilobytes of this process.
  private static func residentKilobytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    return try #require(
      line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
  }

  /// In a process of its own: other tests come and go in this one.
  ///
  /// The pool takes from the system what the first steps need and no more. What is left to vary is
  /// the C library's heap, where Swift's small objects lie, and the pages that one reading of the
  /// status touches: well below a megabyte, while one small tensor kept a step (its storage and
  /// handle, some 400 bytes) would be 4 MB after 10,000 of them.
  @Test func tenThousandStepsStayInTheMemoryOfAHundred() async {
    await #expect(processExitsWith: .success) {
      let net = Sequential(
        Conv2d(1, 16, kernel: 3), ReLU(), MaxPool2d(2), Conv2d(16, 64, kernel: 3), ReLU(),
        MaxPool2d(2), Conv2d(64, 128, kernel: 3), ReLU(), MaxPool2d(2), Flatten(),
        Linear(128, 10))
      let optimizer = ParameterOptimizer(
        net.parameters, learningRate: 1e-4
      ) { Adam(elementCount: $0) }
      var draws = Draws(case: 0)
      let batches = (0..<4).map { label in
        (
          Tensor(draws.floats(784), shape: [1, 1, 28, 28]),
          Tensor([Int64(label)], shape: [1])
        )
      }
      var (resident, allocations) = (0, 0)
      for step in 1...10_000 {
        let (images, labels) = batches[step % batches.count]
        optimizer.zeroGrad()
        crossEntropy(net(images), targets: labels, divisor: 1).backward()
        optimizer.step()
        if step == 100 {
          resident = try MemoryTests.residentKilobytes()
          allocations = BufferPool.shared.statistics.systemAllocations
        }
      }
      let now = try MemoryTests.residentKilobytes()
      #expect(abs(now - resident) <= 1024, "from \(resident) to \(now) kB resident")
      let taken = BufferPool.shared.statistics.systemAllocations - allocations
      #expect(taken == 0, "\(taken) more buffers from the system after step 100")
    }
  }

  /// Sees a function without keeping it alive.
  private struct Sight { weak var function: GradientFunction? }

  /// Every function of the graph that made `root`, seen.
  private static func functions(behind root: Tensor) -> [Sight] {
    var pending = [root.gradientFunction].compactMap { $0 }
    var met = Set(pending.map { ObjectIdentifier($0) })
    var sights: [Sight] = []
    while let function = pending.popLast() {
      sights.append(Sight(function: function))
      for next in function.nextFunctions.compactMap({ $0 })
      where met.insert(ObjectIdentifier(next)).inserted {
        pending.append(next)
      }
    }
    return sights
  }

  /// All layers there are, between them: of images, of words, and the notebooks' own classes, which
  /// take images.
  private static func nets() -> (
    images: Sequential, words: Sequential, list: ModuleList, notebooks: [any Module]
  ) {
    (
      Sequential(
        Conv2d(1, 4, kernel: 3, padding: 1), BatchNorm2d(4), ReLU(), MaxPool2d(2),
        ConvTranspose2d(4, 4, kernel: 3, padding: 1), LeakyReLU(), AvgPool2d(2),
        AdaptiveAvgPool2d(1), Flatten(), Unflatten(axis: 1, sizes: [2, 2]), Flatten(),
        Linear(4, 6), BatchNorm1d(6), LayerNorm([6]), GELU(), SiLU(), Sigmoid(), Tanh(),
        Threshold(-5, 0), Dropout(), Softmax(axis: 1), LogSoftmax(axis: 1)),
      Sequential(
        Embedding(5, 4), RNN(4, 4), LSTM(4, 4, isBidirectional: true), GRU(8, 4),
        MultiheadAttention(4, headCount: 2)),
      ModuleList([Linear(4, 4), ReLU()]),
      [
        Sequential(
          Divide(2),
          SequenceAutoencoder(cell: .gru, features: 8, length: 8, hiddenSize: 3, image: [1, 8, 8]),
          Autoencoder(inputs: 64, hidden: 4, image: [64, 1]),
          ElmanNetwork(inputSize: 1, hiddenSize: 2, outputSize: 1),
          SequenceNet(cell: .lstm, inputSize: 1, hiddenSize: 2, outputSize: 1), Flatten(),
          ClassifierNet(
            inputs: 64, outputs: 40, hiddenLayers: 2, nodes: 3, activation: Tanh(),
            outputActivation: Sigmoid()),
          View([2, 4, 5]), Seq2Seq(cell: .tanh, symbols: 4, hiddenSize: 3), Parabola()),
        Point(start: 1),
      ]
    )
  }

  private static func classes(of module: any Module) -> Set<String> {
    Visitor(module).children.reduce([String(describing: type(of: module))]) {
      $0.union(classes(of: $1.module))
    }
  }

  @Test func theNetsHaveEveryLayer() {
    let (images, words, list, notebooks) = Self.nets()
    let nets: [any Module] = [images, words, list] + notebooks
    #expect(
      nets.reduce([]) { $0.union(Self.classes(of: $1)) }
        == Set(VisitAuditTests.layers.map { String(describing: type(of: $0)) }))
  }

  /// No op of any layer keeps its own graph alive: whether the pass frees it, retains it, or never
  /// comes, nothing is left of it when its result is gone.
  @Test func noFunctionOutlivesItsGraph() {
    let (images, words, list, notebooks) = Self.nets()
    let parameters = ([images, words, list] + notebooks).flatMap(\.parameters)
    let optimizer = ParameterOptimizer(parameters, learningRate: 0.01) { Adam(elementCount: $0) }
    var draws = Draws(case: 0)
    let pictures = Tensor(draws.floats(128), shape: [2, 1, 8, 8])
    let sentences = Tensor([0, 1, 2, 3, 4, 0] as [Int64], shape: [3, 2])

    func step(_ number: Int) -> [Sight] {
      let spoken = list.reduce(words(sentences).flattened(endAxis: 1)) { $1($0) }
      let loss = notebooks.reduce(images(pictures).square().mean() + spoken.square().mean()) {
        $0 + $1(pictures).square().mean()
      }
      let sights = Self.functions(behind: loss)
      #expect(sights.count > 40 && sights.allSatisfy { $0.function != nil })
      optimizer.zeroGrad()
      switch number % 3 {
      case 0: break
      case 1: loss.backward()
      default:
        loss.backward(retainGraph: true)
        loss.backward()
      }
      if number % 3 > 0 { optimizer.step() }
      return sights
    }
    let sights = (0..<60).flatMap { step($0) }
    let alive = sights.compactMap { $0.function?.name }
    #expect(alive.isEmpty, "\(alive.count) of \(sights.count) live on: \(Set(alive).sorted())")
  }
}

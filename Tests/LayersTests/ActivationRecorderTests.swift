import Autograd
import Foundation
import Layers
import Tensors
import TestSupport
import Testing

/// What modules inside a network put out. Against PyTorch's hooks: NetworkTests.
struct ActivationRecorderTests {
  private let x = Tensor([1, -2, 3] as [Float], shape: [3, 1])

  /// Half of x, its positive part, and half of that by the same module.
  private static func network() -> (Sequential, half: Divide) {
    let half = Divide(2)
    let net = Sequential(named: [
      ("first", half), ("inner", Sequential(ReLU(), half)), ("last", View([1])),
    ])
    return (net, half)
  }

  @Test func namesMayBeNestedAndInAnyOrder() throws {
    let (net, _) = Self.network()
    let found = try ActivationRecorder.record(["last", "inner.0", "", "inner"], in: net) { net(x) }
    #expect(found.map(\.name) == ["last", "inner.0", "", "inner"])
    #expect(found[1].output.values(Float.self) == [0.5, 0, 1.5])
    for index in [0, 2, 3] { #expect(found[index].output.values(Float.self) == [0.25, 0, 0.75]) }
    #expect(try ActivationRecorder.record([], in: net) { net(x) }.isEmpty)
  }

  @Test func ofSeveralCallsTheLastIsKept() throws {
    let (net, half) = Self.network()
    let found = try ActivationRecorder.record(["first", "inner.1"], in: net) { net(x) }
    #expect(found.allSatisfy { $0.output.values(Float.self) == [0.25, 0, 0.75] })
    #expect(net.children[0].module === half)
    let again = try ActivationRecorder.record(["inner.0"], in: net) {
      _ = net(x)
      return net(x * 2)
    }
    #expect(again[0].output.values(Float.self) == [1, 0, 3])
  }

  @Test func outputsKeepTheirHistoryUnlessThereIsNone() throws {
    let net = Sequential(Linear(1, 2), ReLU())
    #expect(try ActivationRecorder.record(["0"], in: net) { net(x) }[0].output.requiresGrad)
    let without = try ActivationRecorder.record(["0"], in: net) { noGrad { net(x) } }
    #expect(!without[0].output.requiresGrad)
  }

  /// A recording within another is its own; the outer one goes on behind it.
  @Test func recordingsNest() throws {
    let (net, _) = Self.network()
    let outer = try ActivationRecorder.record(["inner.0"], in: net) {
      let y = net(x)
      let inner = try ActivationRecorder.record(["inner.0"], in: net) { net(x * 2) }
      #expect(inner[0].output.values(Float.self) == [1, 0, 3])
      return y
    }
    #expect(outer[0].output.values(Float.self) == [0.5, 0, 1.5])
    // Also behind one that threw.
    struct Thrown: Error {}
    #expect(throws: Thrown.self) {
      _ = try ActivationRecorder.record(["inner.0"], in: net) { throw Thrown() }
    }
    #expect(net(x).values(Float.self) == [0.25, 0, 0.75])
  }

  @Test func attentionsProjectionHasAnOutput() throws {
    let attention = MultiheadAttention(4, headCount: 2, isBatchFirst: true)
    attention.initialize(seed: 1)
    let net = Sequential(attention)
    var draws = Draws(case: 3)
    let x = Tensor(draws.floats(24), shape: [2, 3, 4])
    let found = try ActivationRecorder.record(["0", "0.out_proj"], in: net) { net(x) }
    #expect(found[0].output.bits == found[1].output.bits && found[1].output.shape == [2, 3, 4])
  }

  /// Each of many threads gets what its own pass made, of one shared network.
  @Test func threadsRecordApart() throws {
    let net = Sequential(Sequential(Divide(2), ReLU()), Divide(4))
    nonisolated(unsafe) let shared = net
    let (threads, passes) = (4, 200)
    nonisolated(unsafe) let wrong = UnsafeMutablePointer<Int>.allocate(capacity: threads)
    wrong.initialize(repeating: 0, count: threads)
    defer { wrong.deallocate() }
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
      for pass in 1...passes {
        let value = Float(thread * passes + pass)
        let x = Tensor([value], shape: [1, 1])
        let found = try? ActivationRecorder.record(["0", "1"], in: shared) { shared(x) }
        let values = found?.map { $0.output.values(Float.self)[0] }
        if values != [value / 2, value / 8] { wrong[thread] += 1 }
      }
    }
    #expect((0..<threads).allSatisfy { wrong[$0] == 0 })
  }

  @Test func anUnknownNameIsAnErrorThatSaysWhatThereIs() {
    let net = Autoencoder(inputs: 4, hidden: 2, image: [4])
    func record(_ name: String, _ module: any Module) throws {
      _ = try ActivationRecorder.record([name], in: module) { module(Tensor(zeros: [1, 4])) }
    }
    expectFailure(
      .usage, "the network has no layer net.7; net is the last that is there",
      remedy: "choose from net.0, net.1, net.2, net.3, net.4"
    ) { try record("net.7", net) }
    expectFailure(
      .usage, "the network has no layer nte.2", remedy: "choose from net"
    ) { try record("nte.2", net) }
    expectFailure(.usage, "the network has no layer 0", remedy: "no modules inside") {
      try record("0", Divide(2))
    }
    let classifier = ClassifierNet(
      inputs: 4, outputs: 1, hiddenLayers: 2, nodes: 2, activation: ReLU())
    expectFailure(
      .usage, "the module layer_list has no output: the forward pass did not call this ModuleList",
      remedy: "choose from layer_list.0, layer_list.1"
    ) { try record("layer_list", classifier) }
  }
}

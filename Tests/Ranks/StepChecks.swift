import Autograd
import Communication
import DataParallel
import Datasets
import Layers
import Optimizers
import System
import Tensors

/// y = x^2 over `count` samples; one input and two targets.
private struct Squares: Dataset {
  var count = 23
  let inputs = [Feature("x", shape: [2])]
  let targets = [Feature("sum"), Feature("sign", .classIndex(count: 2))]

  func read(_ index: Int, into sample: inout Sample) throws {
    let x = Float(index) / 23 - 0.4
    sample.write([x, x * x], to: "x")
    sample.write(x + x * x, to: "sum")
    sample.write(x < 0 ? 0 : 1, to: "sign")
  }
}

/// Two outputs, and a layer that draws random numbers.
private final class TwoHeads: MultiInputModule {
  let hidden: Linear
  let dropout = Dropout(0.3)
  let value = Linear(5, 1)
  let kind = Linear(5, 2)

  init(inputs: Int = 2) { hidden = Linear(inputs, 5) }

  func visit(_ v: inout Visitor) {
    v("hidden", hidden)
    v("dropout", dropout)
    v("value", value)
    v("kind", kind)
  }

  func forward(_ inputs: NamedTensors) -> NamedTensors {
    let h = dropout(hidden(inputs["x"]).tanh())
    return ["value": value(h), "kind": kind(h)]
  }
}

private struct TwoTargets: Loss {
  func callAsFunction(
    _ outputs: NamedTensors, _ targets: NamedTensors, globalCount: Int
  ) -> Tensor {
    let value = outputs["value"].reshaped([outputs["value"].shape[0]])
    return MSELoss()(value, targets["sum"], globalCount: globalCount)
      + CrossEntropyLoss()(outputs["kind"], targets["sign"], globalCount: globalCount)
  }
}

/// The parameters after `steps` steps of a loop over 6 shards with rules for some parameters.
private func parameters(_ c: Communicator, steps: Int) throws -> [Float] {
  let data = try ShardedData(.dataset(Squares()), world: c, shards: 6, batchSize: 7, seed: 3)
  let step = try DataParallelStep(
    c, shards: 6, model: { TwoHeads() },
    optimizer: .adamW().with(
      .frozen("value.*"), ParameterRule("*.bias", weightDecay: 0),
      ParameterRule("kind.*", learningRateScale: 0.5)), seed: 9)
  let loss = TwoTargets()
  var batches = (1...100).lazy.flatMap { data.batches(epoch: $0) }.makeIterator()
  for _ in 0..<steps {
    try step(batches.next()!, learningRate: 0.01) { net, part in
      loss(net(part.inputs), part.targets, globalCount: part.globalCount)
    }
  }
  try expectEqual(step.stepCount, steps, "steps")
  return step.model.namedParameters.flatMap { $0.tensor.values(Float.self) }
}

/// A loop over one's own network, loss and data: the same bits on every rank, and a digest that the test
/// compares between numbers of ranks.
func checkStep(_ c: Communicator) throws {
  let before = try parameters(c, steps: 0)
  let after = try parameters(c, steps: 12)
  let digest = SHA256.digest(of: "\(after.map(\.bitPattern))")
  let all = try c.allgather(digest)
  try expect(all.allSatisfy { $0 == all[0] }, "the ranks have different parameters")
  // hidden: 2 x 5 + 5, value: 5 + 1 (frozen), kind: 5 x 2 + 2.
  try expectEqual(Array(after[15..<21]), Array(before[15..<21]), "frozen parameters")
  try expect(after[..<15] != before[..<15] && after[21...] != before[21...], "nothing was trained")
  try expectEqual(digest, stepDigest, "digest on \(c.worldSize) ranks")
}

/// Of `parameters(c, steps: 12)` on one rank; the point is that it is the same on any number.
private let stepDigest = "286aa30fa6d686218be1ce11a2b75f898993ef65edb26f3864b4dd413f24edcf"

/// Misuse is one failure, the same on every rank, that names both sides.
func checkMisuse(_ c: Communicator) throws {
  let other = c.worldSize > 1 && c.rank == c.worldSize - 1
  func expectAlike(_ parts: String..., by body: () throws -> Void) throws {
    let failure = try thrown(Failure.self, by: body)
    let all = try c.allgather(failure.message)
    try expect(all.allSatisfy { $0 == all[0] }, "ranks threw different failures: \(all)")
    for part in parts { try expect(failure.message.contains(part), "\(part): \(failure)") }
  }
  let last = "rank \(c.worldSize - 1)"
  if c.worldSize > 1 {
    try expectAlike("hidden.weight [5, 2] on rank", "hidden.weight [5, 3] on \(last)") {
      _ = try DataParallelStep(
        c, shards: 6, model: { TwoHeads(inputs: other ? 3 : 2) }, optimizer: .adam())
    }
    try expectAlike("23 samples on rank", "24 samples on \(last)") {
      _ = try ShardedData(
        .dataset(Squares(count: other ? 24 : 23)), world: c, shards: 6, batchSize: 7)
    }
    try expectAlike("2 on rank", "3 on \(last)") {
      _ = try c.allreduce(other ? [1, 2, 3] : [1, 2])
    }
  }
  try expectAlike("\(c.worldSize) ranks for 0 shards") {
    _ = try DataParallelStep(c, shards: 0, model: { TwoHeads() }, optimizer: .adam())
  }
  let data = try ShardedData(.dataset(Squares()), world: c, shards: 6, batchSize: 7)
  let step = try DataParallelStep(c, shards: 6, model: { TwoHeads() }, optimizer: .adam())
  // What one shard's loss throws reaches the caller on every rank.
  struct Broken: Error {}
  try expectAlike("computing the loss of step 1: Broken()") {
    try step(data.batches(epoch: 1)[0], learningRate: 0.1) { net, part in
      if part.shard == 5 { throw Broken() }
      return net(part.inputs)["value"].sum()
    }
  }
  try expectAlike("the loss is float32 of shape [") {
    try step(data.batches(epoch: 1)[0], learningRate: 0.1) { net, part in
      net(part.inputs)["value"]
    }
  }
  // And the step still works.
  let result = try step(data.batches(epoch: 1)[0], learningRate: 0.1) { net, part in
    TwoTargets()(net(part.inputs), part.targets, globalCount: part.globalCount)
  }
  try expect(result.loss.isFinite && result.step == 1 && result.stop == nil, "\(result)")
  try expectEqual(try c.allreduce(Double(c.rank), .maximum), Double(c.worldSize - 1), "maximum")
}

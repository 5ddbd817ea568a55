import Autograd
import DataParallel
import Layers
import System
import Tensors
import TestSupport
import Testing

struct ShardReplicaTests {
  private func network() -> Sequential { Sequential(Linear(3, 4), ReLU(), Linear(4, 2)) }

  /// A parameter arena with a network's initial values, and replicas on it.
  private func replicas(_ count: Int) -> (ArenaLayout, parameters: Tensor, [ShardReplica]) {
    let first = network()
    let layout = ArenaLayout(of: first)
    let arena = Tensor(zeros: [layout.elementCount])
    let replicas = (0..<count).map {
      ShardReplica(
        shard: $0, module: $0 == 0 ? first : network(), layout: layout, parameters: arena,
        buffers: ModuleBuffers(of: first))
    }
    first.initialize(seed: 3)
    return (layout, arena, replicas)
  }

  private func loss(_ module: any Module, _ number: Int, globalCount: Int = 5) -> Tensor {
    var draws = Draws(case: number)
    let x = Tensor(draws.floats(15), shape: [5, 3])
    return crossEntropy(
      module(x), targets: Tensor([0, 1, 1, 0, 1] as [Int64], shape: [5]), divisor: globalCount)
  }

  /// The same without arenas.
  private func gradients(_ number: Int) -> [[Float]] {
    let module = network()
    module.initialize(seed: 3)
    loss(module, number).backward()
    return module.namedParameters.map { $0.tensor.grad!.values(Float.self) }
  }

  @Test func gradientsAndLossLandInTheArena() {
    let (layout, _, replicas) = replicas(1)
    let replica = replicas[0]
    let views = layout.entries.map { layout.view($0, in: replica.arena) }
    for number in 1...3 {  // what the step before left does not count
      let loss = loss(replica.module, number)
      replica.differentiate(loss)
      #expect(views.map { $0.values(Float.self) } == gradients(number))
      #expect(replica[.loss] == loss.values(Float.self)[0])
      #expect(replica[.stop] == 0)
      for (view, parameter) in zip(views, replica.module.namedParameters) {
        #expect(parameter.tensor.grad?.rawPointer == view.rawPointer)
      }
    }
  }

  @Test func gapsStayZero() {
    let (layout, _, replicas) = replicas(1)
    let arena = replicas[0].arena
    #expect(arena.elementCount == layout.elementCount + 16)
    replicas[0].differentiate(loss(replicas[0].module, 1))
    var used = Set(layout.entries.flatMap { $0.offset..<$0.offset + $0.shape.elementCount })
    used.insert(layout.elementCount + ShardReplica.Extra.loss.rawValue)
    used.insert(layout.elementCount + ShardReplica.Extra.contributors.rawValue)
    for (i, value) in arena.values(Float.self).enumerated() where !used.contains(i) {
      #expect(value.bitPattern == 0, "element \(i)")
    }
  }

  @Test func replicasShareParametersAndNotGradients() {
    let (layout, parameters, replicas) = replicas(2)
    let own = (0..<2).map { replicas[$0].module.namedParameters.map(\.tensor) }
    for (entry, (a, b)) in zip(layout.entries, zip(own[0], own[1])) {
      #expect(a.rawPointer == b.rawPointer)
      #expect(a.rawPointer == layout.view(entry, in: parameters).rawPointer)
    }
    replicas[0].differentiate(loss(replicas[0].module, 1))
    replicas[1].differentiate(loss(replicas[1].module, 2))
    for (replica, number) in zip(replicas, 1...2) {
      #expect(
        layout.entries.map { layout.view($0, in: replica.arena).values(Float.self) }
          == gradients(number))
    }
    // An optimizer's step on the arena is seen by both.
    parameters.fillWithZeros()
    let x = Tensor([1, 2, 3] as [Float], shape: [1, 3])
    #expect(replicas.allSatisfy { $0.module(x).values(Float.self) == [0, 0] })
  }

  @Test func anUnusedParametersGradientIsZero() {
    let used = Linear(3, 2)
    let module = Sequential(named: [("used", used), ("unused", Linear(2, 2))])
    let layout = ArenaLayout(of: module)
    let replica = ShardReplica(
      shard: 0, module: module, layout: layout, parameters: Tensor(zeros: [layout.elementCount]),
      buffers: ModuleBuffers(of: module))
    let arena = replica.arena
    arena.pointer(Float.self).update(repeating: .nan, count: arena.elementCount)
    let x = Tensor([1, 2, 3] as [Float], shape: [1, 3])
    replica.differentiate(used(x).sum())
    let views = layout.entries.map { layout.view($0, in: arena).values(Float.self) }
    #expect(views == [[1, 2, 3, 1, 2, 3], [1, 1], [0, 0, 0, 0], [0, 0]])
    #expect(replica[.loss] == 0 && replica[.stop] == 0)
  }

  @Test func extrasLieBehindTheGradients() {
    let (layout, _, replicas) = replicas(1)
    let replica = replicas[0]
    replica[.stop] = 1
    replica[.loss] = 2
    #expect(Array(replica.arena.values(Float.self)[layout.elementCount...].prefix(3)) == [2, 1, 0])
    replica.clear()
    #expect(replica.arena.values(Float.self).allSatisfy { $0 == 0 })
    #expect(ShardReplica.Extra.allCases.count <= 16)
  }

  /// Batch norm's running mean over two shards is the mean of what each makes of it; a shard without
  /// samples adds nothing.
  @Test func buffersBecomeTheMeanOfTheShardsThatHadSamples() {
    let modules = (0..<3).map { _ in BatchNorm1d(2) }
    let layout = ArenaLayout(of: modules[0])
    let buffers = ModuleBuffers(of: modules[0])
    #expect(buffers.named.map(\.name) == ["running_mean", "running_var", "num_batches_tracked"])
    let parameters = Tensor(zeros: [layout.elementCount])
    let replicas = modules.enumerated().map {
      ShardReplica(
        shard: $0, module: $1, layout: layout, parameters: parameters, buffers: buffers)
    }
    let batches: [[Float]] = [[1, 2, 3, 4], [5, 6, 7, 8]]
    for (replica, values) in zip(replicas, batches) {
      replica.load(buffers)
      replica.differentiate(replica.module(Tensor(values, shape: [2, 2])).sum())
    }
    replicas[2].clear()
    let count = ShardReplica.arenaElementCount(layout, buffers)
    let sum = Tensor(zeros: [count])
    for replica in replicas {
      let (to, from) = (sum.pointer(Float.self), replica.arena.pointer(Float.self))
      for i in 0..<count { to[i] += from[i] }
    }
    let total = replicas[0]
    // To copy memory is no use of the tensor that the compiler sees.
    withExtendedLifetime(sum) {
      total.arena.pointer(Float.self).update(from: sum.pointer(Float.self), count: count)
    }
    #expect(total[.contributors] == 2)
    buffers.update(sum: total.buffers, contributors: total[.contributors])
    // running = 0.9 running + 0.1 batch; the unbiased variance of {x, x + 2} is 2.
    let named = Dictionary(uniqueKeysWithValues: buffers.named)
    let mean = named["running_mean"]!.values(Float.self)
    let variance = named["running_var"]!.values(Float.self)
    for (found, expected) in zip(mean + variance, [0.4, 0.5, 1.1, 1.1] as [Float]) {
      #expect(abs(found - expected) < 1e-6)  // a few roundings of numbers near 1
    }
    #expect(named["num_batches_tracked"]!.values(Int64.self) == [1])
    replicas[1].load(buffers)
    #expect(modules[1].core.runningMean!.values(Float.self) == mean)
    #expect(modules[1].core.batchesTracked!.values(Int64.self) == [1])
  }
}

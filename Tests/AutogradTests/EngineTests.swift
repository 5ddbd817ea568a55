import Autograd
import Tensors
import TestSupport
import Testing

struct EngineTests {
  private func leaf(_ values: [Float]) -> Tensor {
    let tensor = Tensor(values, shape: [values.count])
    tensor.requiresGrad = true
    return tensor
  }

  /// A leaf whose gradient lies in an arena, which is stale at first.
  private func arenaLeaf(_ values: [Float]) -> (leaf: Tensor, gradient: Tensor) {
    let tensor = leaf(values)
    let arena = Tensor(values, shape: [values.count])
    let gradient = Tensor([Float](repeating: 99, count: values.count), shape: [values.count])
    tensor.adopt(arena.storage, offset: 0, gradient: gradient)
    return (tensor, gradient)
  }

  @Test func gradientIsNilBeforeAndAfterZeroGrad() {
    let x = leaf([1, 2])
    #expect(x.grad == nil)
    x.sum().backward()
    #expect(x.grad?.values(Float.self) == [1, 1])
    x.zeroGrad()
    #expect(x.grad == nil)
    (x * x).sum().backward()
    #expect(x.grad?.values(Float.self) == [2, 4])
  }

  @Test func gradientsOfSeveralPassesAddUp() {
    let x = leaf([1, 2])
    for pass in 1...5 {
      (x * x).sum().backward()
      #expect(x.grad?.values(Float.self) == [2 * Float(pass), 4 * Float(pass)])
    }
  }

  @Test func aLeafTwiceInOneOpGetsBothContributions() {
    let x = leaf([3, 5])
    (x * x).sum().backward()
    #expect(x.grad?.values(Float.self) == [6, 10])
    x.zeroGrad()
    (x + x).sum().backward()
    #expect(x.grad?.values(Float.self) == [2, 2])
  }

  @Test func sharedLeavesAddUpInTheirArenaAndStayThere() {
    for passes in 1...2 {
      let (x, gradient) = arenaLeaf([3, 5])
      for _ in 0..<passes { ((x * x).sum() + (x + x).sum()).backward() }
      #expect(x.grad === gradient)
      #expect(gradient.values(Float.self) == [8 * Float(passes), 12 * Float(passes)])
      x.zeroGrad()
      x.sum().backward()  // the old contents do not count
      #expect(gradient.values(Float.self) == [1, 1])
    }
  }

  /// linear writes a parameter's gradient into the arena at once: only the first of several uses
  /// may, and neither of two uses in one op.
  @Test func linearsWriteTheirGradientsIntoTheArenaOnce() {
    func gradients(_ useArena: Bool, _ body: (Tensor, Tensor) -> Tensor) -> [[Float]] {
      let w = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
      let b = Tensor([5, 6] as [Float], shape: [2])
      let destinations = [
        Tensor([Float](repeating: 99, count: 4), shape: [2, 2]),
        Tensor([Float](repeating: 99, count: 2), shape: [2]),
      ]
      for (tensor, destination) in zip([w, b], destinations) {
        tensor.requiresGrad = true
        if useArena { tensor.adopt(tensor.storage, offset: 0, gradient: destination) }
      }
      for _ in 0..<2 {
        w.zeroGrad()
        b.zeroGrad()
        body(w, b).sum().backward()
      }
      if useArena { #expect(w.grad === destinations[0] && b.grad === destinations[1]) }
      return [w.grad!.values(Float.self), b.grad!.values(Float.self)]
    }
    let x = Tensor([1, -1, 2, 0.5, 3, 7] as [Float], shape: [3, 2])
    for body: (Tensor, Tensor) -> Tensor in [
      { w, b in linear(x, weight: w, bias: b) },
      { w, b in linear(linear(x, weight: w, bias: b), weight: w, bias: b) },
      { w, b in linear(w, weight: w, bias: b) },
      { w, b in linear(x, weight: w, bias: b) * linear(x, weight: w * w, bias: b + b) },
    ] {
      #expect(gradients(true, body) == gradients(false, body))
    }
    #expect(
      gradients(true) { w, b in linear(x, weight: w, bias: b) } == [[6, 6.5, 6, 6.5], [3, 3]])
  }

  @Test func noGradRecordsNothingOnThisThreadUntilItsEnd() throws {
    struct Stop: Error {}
    let x = leaf([1, 2])
    noGrad {
      noGrad { #expect((x * x).gradientFunction == nil) }
      #expect(!(x + x).requiresGrad)
    }
    #expect((x + x).requiresGrad)
    #expect(throws: Stop.self) { try noGrad { throw Stop() } }
    #expect((x + x).requiresGrad)
    #expect(noGrad { 7 } == 7)
  }

  @Test func valueCutsTheGraphAndSharesMemory() {
    let x = leaf([2, 3])
    let y = x * x
    #expect(!y.value.requiresGrad && y.value.storage === y.storage)
    (x * y.value).sum().backward()
    #expect(x.grad?.values(Float.self) == [4, 9])  // x^2, not 3 x^2
    let constant = Tensor([1] as [Float], shape: [1])
    #expect(constant.value === constant)
  }

  @Test func constantsGetNoGradientAndMakeNoGraph() {
    let (x, c) = (leaf([1, 2]), Tensor([3, 4] as [Float], shape: [2]))
    #expect((c * c).gradientFunction == nil)
    (x * c).sum().backward()
    #expect(c.grad == nil)
    #expect(x.grad?.values(Float.self) == [3, 4])
  }

  @Test func retainGraphAllowsAnotherPass() {
    let x = leaf([3])
    let loss = (x * x).sum()
    loss.backward(retainGraph: true)
    loss.backward(retainGraph: true)
    loss.backward()
    #expect(x.grad?.values(Float.self) == [18])
  }

  @Test func aSeedIsTheGradientThatFlowsIn() {
    let x = leaf([1, 2, 3])
    (x * x).backward(seed: Tensor([1, 10, 100] as [Float], shape: [3]))
    #expect(x.grad?.values(Float.self) == [2, 40, 600])
    let scalar = leaf([5])
    scalar.backward(seed: Tensor([7] as [Float], shape: [1]))  // a leaf alone is a graph, too
    #expect(scalar.grad?.values(Float.self) == [7])
  }

  /// Nothing that a caller or another leaf holds changes under its hands.
  @Test func accumulatingTouchesNoTensorButItsOwn() {
    let (x, y) = (leaf([1, 2]), leaf([3, 4]))
    let seed = Tensor([1, 1] as [Float], shape: [2])
    (x + y).backward(seed: seed)
    (x * x).backward(seed: seed)
    #expect(x.grad?.values(Float.self) == [3, 5])
    #expect(y.grad?.values(Float.self) == [1, 1])
    #expect(seed.values(Float.self) == [1, 1])
  }

  @Test func opsOfBothKindsOfDepthRunAfterAllTheirUsers() {
    // x feeds the end directly and through chains of different lengths, in either order.
    for lengths in [[0, 1, 5], [5, 1, 0], [1, 5, 0], [3, 3, 3]] {
      let x = leaf([1])
      let a = x + x
      var sum = a
      for length in lengths {
        var y = a
        for _ in 0..<length { y = y + a }
        sum = sum + y
      }
      sum.sum().backward()
      let uses = 1 + lengths.reduce(0) { $0 + $1 + 1 }
      #expect(x.grad?.values(Float.self) == [Float(2 * uses)], "\(lengths)")
    }
  }

  @Test func requiresGradCanBeTakenBackFromALeaf() {
    let x = leaf([1])
    x.requiresGrad = false
    #expect(!(x + x).requiresGrad)
    x.requiresGrad = true
    #expect((x + x).requiresGrad)
  }

  @Test func anAdoptedLeafHasTheArenasValues() {
    let x = leaf([1, 2])
    let arena = Tensor([0, 10, 20] as [Float], shape: [3])
    let gradients = Tensor(zeros: [2])
    x.adopt(arena.storage, offset: 1, gradient: gradients)
    #expect(x.values(Float.self) == [10, 20])
    #expect(x.value.values(Float.self) == [10, 20])
    (x * x).sum().backward()
    #expect(gradients.values(Float.self) == [20, 40])
    arena.pointer(Float.self)[1] = 7  // as an optimizer does
    x.zeroGrad()
    (x * x).sum().backward()
    #expect(gradients.values(Float.self) == [14, 40])
  }
}

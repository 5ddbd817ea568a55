import NNDist

/// A gradient: the derivative of mean((w x - y)^2) with respect to w.
func gradient() {
  let x = Tensor([1, 2, 3] as [Float], shape: [3])
  let y = Tensor([2, 4, 6] as [Float], shape: [3])
  let w = Tensor(scalar: Float(1))
  w.requiresGrad = true
  let loss = ((x * w - y) * (x * w - y)).mean()
  loss.backward()
  print("loss \(loss.item()), dloss/dw \(w.grad!.item())")
}

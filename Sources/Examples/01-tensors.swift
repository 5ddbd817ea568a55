import NNDist

/// Tensors: arrays of float32 (and other types) whose views share memory.
func tensors() {
  let a = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
  let b = Tensor(zeros: [3, 2])
  print(a + 1)
  print(a.matmul(a.transposed(0, 1)))
  print(a.sum(axes: [1]).values(Float.self), b.shape)
}

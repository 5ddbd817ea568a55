import Autograd
import Tensors
import TestSupport
import Testing

/// What the ops of tensors say when they are used wrongly.
struct TensorMessageTests {
  static let contracts: [BrokenContract] = {
    @Sendable func x(_ shape: Shape, _ dtype: DType = .float32) -> Tensor { .zeros(shape, dtype) }
    return [
      BrokenContract(
        "index", "index 5 is out of range for axis 1 of shape [2, 3]: -3 ..< 3"
      ) { _ = x([2, 3])[0, 5] },
      BrokenContract("range", "slice 1..<4 is out of range for axis 0 of shape [3]") {
        _ = x([3])[1..<4]
      },
      BrokenContract(
        "open range", "slice PartialRangeFrom<Int>(lowerBound: 4) is out of range for axis 0"
      ) { _ = x([3])[4...] },
      BrokenContract(
        "indices", "3 indices for a tensor of shape [2, 3], which has 2 axes"
      ) { _ = x([2, 3])[0, 0, 0] },
      BrokenContract("step", "slice: the step must be positive, not -1; use flipped to go back") {
        _ = x([3]).slice(axis: 0, 0..<3, step: -1)
      },
      BrokenContract(
        "gather", "gather: index 3 is out of range for axis 1 of [2, 3]: -3 ..< 3"
      ) { _ = x([2, 3]).gather(axis: 1, Tensor([[0], [3]])) },
      BrokenContract("gather dtype", "gather: indices must be int64, not float32") {
        _ = x([2, 3]).gather(axis: 1, x([2, 1]))
      },
      BrokenContract(
        "gather shape", "gather: indices of shape [3, 1] reach outside [2, 3] beside axis 1"
      ) { _ = x([2, 3]).gather(axis: 1, x([3, 1], .int64)) },
      BrokenContract(
        "indexSelect", "indexSelect: index 2 is out of range for axis 0 of [2, 3]: -2 ..< 2"
      ) { _ = x([2, 3]).indexSelect(axis: 0, Tensor([2])) },
      BrokenContract("axis", "sum: no axis 2 in shape [2, 3]; axes are -2 ..< 2") {
        _ = x([2, 3]).sum(axes: [2])
      },
      BrokenContract("argmax axis", "argmax: no axis -3 in shape [2, 3]; axes are -2 ..< 2") {
        _ = x([2, 3]).argmax(axis: -3)
      },
      BrokenContract("axis twice", "sum: an axis stands twice in [0, -2]") {
        _ = x([2, 3]).sum(axes: [0, -2])
      },
      BrokenContract(
        "mixed dtype", "add: operands of float32 and float64; convert one of them with to(_:)"
      ) { _ = x([2]) + x([2], .float64) },
      BrokenContract(
        "fraction", "0.5 is no whole number beside a tensor of int64; convert it with to(.float32)"
      ) { _ = Tensor([1, 2]) * 0.5 },
      BrokenContract(
        "broadcast", "multiply: shapes [2, 3] and [2] do not broadcast: axis 1 has extents 3 and 2"
      ) { _ = x([2, 3]) * x([2]) },
      BrokenContract("expand", "expand: shape [2] does not broadcast to [3]") {
        _ = x([2]).expanded(to: [3])
      },
      BrokenContract("reshape", "reshape: shape [2, 3] has 6 elements, [4] has 4") {
        _ = x([2, 3]).reshaped([4])
      },
      BrokenContract(
        "open reshape", "reshape: shape [2, 3] with 6 elements does not fill [4, -1]"
      ) { _ = x([2, 3]).reshaped([4, -1]) },
      BrokenContract("two open", "reshape: [-1, -1] leaves more than one extent open") {
        _ = x([2, 3]).reshaped([-1, -1])
      },
      BrokenContract("permute", "permute: [0, 0] is no order of the axes of [2, 3]") {
        _ = x([2, 3]).permuted([0, 0])
      },
      BrokenContract(
        "matmul",
        "matmul: [2, 3] cannot be multiplied by [2, 3]: the inner extents must agree; transpose "
          + "one of them"
      ) { _ = x([2, 3]).matmul(x([2, 3])) },
      BrokenContract("batches", "matmul: shapes [2] and [3] do not broadcast") {
        _ = x([2, 1, 1]).matmul(x([3, 1, 1]))
      },
      BrokenContract(
        "scalar matmul",
        "matmul: [] cannot be multiplied by [2]: a scalar is no matrix; use *"
      ) { _ = x([]).matmul(x([2])) },
      BrokenContract("cat", "cat: shapes [2, 3] and [2, 4] differ outside axis 0") {
        _ = Tensor.cat([x([2, 3]), x([2, 4])])
      },
      BrokenContract(
        "cat dtype", "cat: tensor 0 is float32 and tensor 1 int64; convert one with to(_:)"
      ) { _ = Tensor.cat([x([2]), x([2], .int64)]) },
      BrokenContract(
        "stack",
        "stack: tensor 0 is float32 [2] and tensor 1 float32 [3]; use cat along an axis they have"
      ) { _ = Tensor.stack([x([2]), x([3])]) },
      BrokenContract("split", "split: sizes [1, 1] do not add up to axis 0 of [3]") {
        _ = x([3]).split(sizes: [1, 1])
      },
      BrokenContract("topk", "topk: 4 elements of axis 0 of shape [3]") { _ = x([3]).topk(4) },
      BrokenContract("oneHot", "oneHot: element 1 is 3, not a class in 0 ..< 3") {
        _ = Tensor([0, 3]).oneHot(3)
      },
      BrokenContract("mean", "mean: needs float32 or float64, not int64; convert it first") {
        _ = Tensor([1, 2]).mean()
      },
      BrokenContract("empty max", "maximum: shape [0, 2] has no elements along axes [0]") {
        _ = x([0, 2]).max(axes: [0])
      },
      BrokenContract(
        "ragged", "Tensor: ragged list: row 0 has 2 elements and row 1 has 1"
      ) { _ = Tensor([[1, 2], [3]]) },
      BrokenContract(
        "ragged block",
        "Tensor: ragged list: row 0 of entry 0 has 1 elements and row 0 of entry 1 has 2"
      ) { _ = Tensor([[[1.0]], [[2, 3]]]) },
      BrokenContract("ragged entries", "Tensor: ragged list: entry 0 has 1 rows and entry 1 has 2")
      {
        _ = Tensor([[[1.0]], [[2], [3]]])
      },
      BrokenContract("full", "a tensor of uint8 cannot hold 300.0") {
        _ = Tensor.full([1], 300, .uint8)
      },
      BrokenContract("arange", "arange: a step of -1.0 does not lead from 0.0 to 2.0") {
        _ = Tensor.arange(0.0, 2, step: -1)
      },
    ]
  }()

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in TensorMessageTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

import Autograd
import Tensors
import TestSupport
import Testing

/// Text against PyTorch's, to the letter, made by Golden/printing.py.
struct TensorPrintingTests {
  struct Case: Decodable {
    let input: PyTorchCase.Packed
    let make: String
    let text: String
  }

  @Test func textIsPyTorchsToTheLetter() throws {
    let cases = try golden("printing.json", as: [Case].self)
    #expect(cases.count >= 290)
    for known in cases {
      let x = known.input.tensor
      x.requiresGrad = known.make != ""
      let y =
        switch known.make {
        case "add": x + x
        case "sum": x.sum()
        case "sigmoid": x.sigmoid()
        default: x
        }
      #expect(String(describing: y) == known.text, "\(known.input.dtype) \(known.input.shape)")
    }
  }

  @Test func viewsPrintTheirOwnElements() {
    let x = Tensor([[1, 2, 3], [4, 5, 6]])
    #expect("\(x.transposed())" == "tensor([[1, 4],\n        [2, 5],\n        [3, 6]])")
    #expect("\(x[1, 1...])" == "tensor([5, 6])")
    // Beyond 2^53 an integer is no Double.
    #expect("\(Tensor([Int.max]))" == "tensor([9223372036854775807])")
  }
}

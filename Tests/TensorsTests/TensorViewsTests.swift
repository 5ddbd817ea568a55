import Tensors
import TestSupport
import Testing

struct TensorViewsTests {
  /// What a tensor ought to hold: plain values in row-major order.
  private struct Model {
    var values: [Int32]
    var shape: [Int]

    mutating func transpose() {
      let (rows, columns) = (shape[0], shape[1])
      values = (0..<rows * columns).map { values[$0 % rows * columns + $0 / rows] }
      shape = [columns, rows]
    }

    mutating func take(_ rows: Range<Int>) {
      let rowLength = shape.dropFirst().reduce(1, *)
      values = Array(values[rows.lowerBound * rowLength..<rows.upperBound * rowLength])
      shape[0] = rows.count
    }
  }

  /// Chains of views against the model; axes of extent 0 and 1 among them.
  @Test func anyChainOfViewsShowsTheSameValues() {
    for number in 0..<500 {
      var draws = Draws(case: number)
      let shape = (0..<draws.int(1...4)).map { _ in draws.pick([0, 1, 2, 3, 4, 5]) }
      var model = Model(values: (0..<Int32(shape.reduce(1, *))).map { $0 + 1 }, shape: shape)
      var tensor = draws.laidOut(model.values, shape: Shape(shape))
      for _ in 0..<draws.int(0...6) {
        switch draws.int(0...3) {
        case 0 where model.shape.count == 2:
          model.transpose()
          tensor = tensor.transposedView
        case 1:
          let first = draws.int(0...model.shape[0])
          let range = first..<draws.int(first...model.shape[0])
          model.take(range)
          tensor = tensor.rows(range)
        case 2:
          model.shape = draws.pick([
            [model.values.count], [1, model.values.count], [model.values.count, 1],
            model.values.count % 2 == 0 ? [2, model.values.count / 2] : [model.values.count],
          ])
          tensor = tensor.viewed(as: Shape(model.shape))
        default: tensor = tensor.contiguous()
        }
      }
      #expect(Array(tensor.shape) == model.shape, "\(draws)")
      #expect(tensor.values(Int32.self) == model.values, "\(draws)")
      let copy = tensor.copied()
      #expect(copy.values(Int32.self) == model.values && copy.isContiguous, "\(draws)")
      #expect(copy.storage !== tensor.storage, "\(draws)")
      var offsets: [Int] = []
      tensor.forEachOffset { offsets.append($0) }
      let base = tensor.storage.base.assumingMemoryBound(to: Int32.self)
      #expect(offsets.map { base[$0] } == model.values, "\(draws)")
    }
  }

  /// Elements of 8, 4 and 1 bytes are copied by loops of their own.
  @Test func stridedCopiesKeepEveryDType() {
    func check<Scalar: TensorScalar & Equatable>(_ values: [Scalar]) {
      let transposed = Tensor(values, shape: [2, 3]).transposedView
      #expect(!transposed.isContiguous)
      #expect(transposed.copied().values(Scalar.self) == [0, 3, 1, 4, 2, 5].map { values[$0] })
    }
    check([1, 2, 3, 4, 5, 6] as [Float])
    check([1, 2, 3, 4, 5, 6] as [Double])
    check([1, 2, 3, 4, 5, 6] as [Int32])
    check([1, 2, 3, 4, 5, 1 << 40] as [Int64])
    check([1, 2, 3, 4, 5, 6] as [UInt8])
    check([true, false, false, true, true, false])
  }

  @Test func viewsShareMemoryAndCopiesDoNot() {
    let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [3, 2])
    let (view, transposed, rows, copy) = (
      x.viewed(as: [6]), x.transposedView, x.rows(1..<3), x.copied()
    )
    x.pointer(Float.self)[3] = 40
    #expect(view.values(Float.self) == [1, 2, 3, 40, 5, 6])
    #expect(transposed.values(Float.self) == [1, 3, 5, 2, 40, 6])
    #expect(rows.values(Float.self) == [3, 40, 5, 6])
    #expect(copy.values(Float.self) == [1, 2, 3, 4, 5, 6])
    #expect(x.contiguous() === x)
    // A reshape of what is not contiguous is a copy.
    #expect(transposed.viewed(as: [6]).storage !== x.storage)
  }

  @Test func contiguityIsAboutMemoryNotAboutStridesOfSingleRows() {
    let x = Tensor((0..<12).map(Float.init), shape: [3, 4])
    #expect(x.isContiguous)
    #expect(!x.transposedView.isContiguous)
    #expect(x.transposedView.transposedView.isContiguous)
    #expect(x.rows(1..<3).isContiguous)
    #expect(!x.transposedView.rows(1..<3).isContiguous)
    #expect(!x.transposedView.rows(1..<2).isContiguous)  // a column: every fourth element
    #expect(Tensor(zeros: [1, 5]).transposedView.isContiguous)
    #expect(Tensor(scalar: Float(1)).isContiguous)
  }
}

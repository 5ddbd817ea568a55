import System

// Tensors from nested lists, such as `Tensor([[1, 2], [3, 4]])`, of up to three levels. As in
// PyTorch, whole numbers give int64 and numbers with a decimal point give float32; typed arrays
// keep their type.

extension Tensor {
  public convenience init(_ values: [Int]) { self.init(values.map(Int64.init)) }
  public convenience init(_ values: [[Int]]) { self.init(values.map { $0.map(Int64.init) }) }
  public convenience init(_ values: [[[Int]]]) {
    self.init(values.map { $0.map { $0.map(Int64.init) } })
  }

  public convenience init(_ values: [Float]) { self.init(values, shape: [values.count]) }
  public convenience init(_ values: [[Float]]) { self.init(matrix: values) }
  public convenience init(_ values: [[[Float]]]) { self.init(block: values) }

  // Disfavoured, so that a literal with a decimal point gives float32 and not Double, Swift's
  // default.
  @_disfavoredOverload
  public convenience init<Scalar: TensorScalar>(_ values: [Scalar]) {
    self.init(values, shape: [values.count])
  }
  @_disfavoredOverload
  public convenience init<Scalar: TensorScalar>(_ values: [[Scalar]]) { self.init(matrix: values) }
  @_disfavoredOverload
  public convenience init<Scalar: TensorScalar>(_ values: [[[Scalar]]]) { self.init(block: values) }

  /// - Precondition: all rows have the same length.
  private convenience init<Scalar: TensorScalar>(matrix rows: [[Scalar]]) {
    let width = rows.first?.count ?? 0
    for (i, row) in rows.enumerated() {
      require(
        row.count == width,
        "Tensor: ragged list: row 0 has \(width) elements and row \(i) has \(row.count)")
    }
    self.init(rows.flatMap { $0 }, shape: [rows.count, width])
  }

  private convenience init<Scalar: TensorScalar>(block: [[[Scalar]]]) {
    let (height, width) = (block.first?.count ?? 0, block.first?.first?.count ?? 0)
    for (i, rows) in block.enumerated() {
      require(
        rows.count == height,
        "Tensor: ragged list: entry 0 has \(height) rows and entry \(i) has \(rows.count)")
      for (j, row) in rows.enumerated() {
        require(
          row.count == width,
          "Tensor: ragged list: row 0 of entry 0 has \(width) elements and row \(j) of entry \(i) "
            + "has \(row.count)")
      }
    }
    self.init(block.flatMap { $0.flatMap { $0 } }, shape: [block.count, height, width])
  }
}

import CKernels
import System
import Tensors

/// c[M, N] = a[M, K] b[K, N] (+ bias[N] on every row).
/// - Parameters:
///   - a, b: matrices of one floating-point dtype: row-major, transposed views, or with any other
///     strides, which are copied first.
///   - bias: [N], contiguous.
///   - destination: receives c; nil: a new tensor.
///   - precision: of float32 operands; ignored for float64.
///   - isRectified: whether `relu` is applied to the result.
/// - Precondition: the inner extents agree.
public func matmul(
  _ a: Tensor, _ b: Tensor, bias: Tensor? = nil, into destination: Tensor? = nil,
  precision: Precision = .float32, isRectified: Bool = false
) -> Tensor {
  require(
    a.axisCount == 2 && b.axisCount == 2 && a.shape[1] == b.shape[0],
    "matmul: \(a.shape) cannot be multiplied by \(b.shape): the inner extents must agree")
  if !hasUnitStride(a) || !hasUnitStride(b) {
    return matmul(
      hasUnitStride(a) ? a : a.copied(), hasUnitStride(b) ? b : b.copied(), bias: bias,
      into: destination, precision: precision, isRectified: isRectified)
  }
  let (m, k, n) = (a.shape[0], a.shape[1], b.shape[1])
  if let bias {
    require(
      bias.shape == Shape(n) && bias.isContiguous,
      "matmul: a bias of shape \(bias.shape) for \(n) columns")
  }
  let c = result("matmul", Shape(m, n), a.dtype, into: destination)
  if m == 0 || n == 0 { return c }
  if let bias {
    require(
      bias.dtype == a.dtype,
      "matmul: operands of \(a.dtype) and \(bias.dtype); convert one of them first")
  }
  dispatch("matmul", a, b) {
    if k > 0 && instructionSet != nd_none {
      multiply(
        a, b, bias, into: c, precision == .float32 ? instructionSet : bf16InstructionSet, precision,
        isRectified: isRectified)
    } else {
      multiplyWithoutKernel(a, b, bias, into: c, precision)
      if isRectified { nd_relu(c.floats, c.floats, c.elementCount) }
    }
  } reference: {
    let (a, b) = (a.contiguous(), b.contiguous())
    Reference.matmul(a.doubles, b.doubles, bias?.doubles, c.doubles, m: m, n: n, k: k)
    for i in 0..<m * n where isRectified && c.doubles[i] <= 0 { c.doubles[i] = 0 }
  }
  return c
}

/// Multiplies without CKernels' kernel: empty sums (K = 0), which oneDNN does not compute, and all
/// products on processors that CKernels has no kernel for.
private func multiplyWithoutKernel(
  _ a: Tensor, _ b: Tensor, _ bias: Tensor?, into c: Tensor, _ precision: Precision
) {
  let (m, k, n) = (a.shape[0], a.shape[1], b.shape[1])
  let context = KernelContext.current
  context.count(multiplications: m * n * k)
  if k == 0 {
    c.fillWithZeros()
    guard let bias else { return }
    for row in 0..<m { c.floats.advanced(by: row * n).update(from: bias.floats, count: n) }
  } else if precision == .bf16 {
    let (a, b) = (a.contiguous(), b.contiguous())
    Reference.matmulBF16(a.floats, b.floats, bias?.floats, c.floats, m: m, n: n, k: k)
  } else {
    let key = MatmulPrimitive.Key(
      m: m, n: n, k: k, aStrides: SIMD2(a.strides[0], a.strides[1]),
      bStrides: SIMD2(b.strides[0], b.strides[1]), hasBias: bias != nil)
    context.matmul(key).run(
      in: context, a: a.rawPointer, b: b.rawPointer, bias: bias?.rawPointer, c: c.rawPointer)
  }
}

/// The best instruction set of this processor. Where it has no fused multiply-add, oneDNN
/// multiplies float32.
let instructionSet = nd_matmul_best_set()
private let bf16InstructionSet = nd_matmul_bf16_best_set()

/// Whether the bits of an element of a product may depend on the number of rows and columns.
public let matmulBitsDependOnExtents = instructionSet == nd_none

/// Multiplies by CKernels' kernel. Time of the products of a step of 784-512-512-10 on one Zen 4
/// core, as a fraction of the time of oneDNN's matmul: 0.98 with 64 rows, 0.87 with 32, 0.81 with
/// 16 and 10, and 1 with 512 and more. The bits do not depend on any extent except k.
private func multiply(
  _ a: Tensor, _ b: Tensor, _ bias: Tensor?, into c: Tensor, _ set: nd_instruction_set,
  _ precision: Precision, isRectified: Bool = false
) {
  var product = product(a, b, bias, into: c)
  product.rectifies = isRectified ? 1 : 0
  let context = KernelContext.current
  context.setScratch(of: &product, precision)
  // From here on only the addresses of the tensors are used, so they must be kept alive.
  let computed = keepingAlive(a, b, c, bias) {
    precision == .bf16 ? nd_matmul_bf16(&product, set) : nd_matmul(&product, set)
  }
  context.count(multiplications: product.m * product.n * product.k, computed: computed)
}

extension KernelContext {
  fileprivate func setScratch(of product: inout nd_product, _ precision: Precision) {
    let count =
      precision == .bf16
      ? nd_matmul_bf16_scratch_count(&product) : nd_matmul_scratch_count(&product)
    product.scratch = scratch(count * MemoryLayout<Float>.size)
      .assumingMemoryBound(to: Float.self)
  }
}

private func product(
  _ a: Tensor, _ b: Tensor, _ bias: Tensor?, into c: Tensor
) -> nd_product {
  var product = nd_product()
  (product.m, product.n, product.k) = (a.shape[0], b.shape[1], a.shape[1])
  (product.a, product.a_row, product.a_column) = (a.constantFloats, a.strides[0], a.strides[1])
  (product.b, product.b_row, product.b_column) = (b.constantFloats, b.strides[0], b.strides[1])
  product.bias = bias?.constantFloats
  (product.c, product.c_row) = (c.floats, b.shape[1])
  return product
}

/// The number of elements of the largest product that `tinyProductAndColumnSums` computes.
public let tinyProductElements = 16

/// aᵀ b and `columnSums(a)` in one pass over a, with the same bits as in two. Only for tiny
/// products, where most of the time is spent waiting for sums. Else returns nil and writes nothing.
/// - a: [K, M].  b: [K, N].  Both contiguous float32.  Returns [M, N] and [M].
/// - precision: of the product's operands.
/// - product, sums: receive the results; nil: new tensors.
public func tinyProductAndColumnSums(
  _ a: Tensor, _ b: Tensor, into product: Tensor?, sums: Tensor?, precision: Precision = .float32
) -> (product: Tensor, sums: Tensor)? {
  let (m, k, n) = (a.shape[1], a.shape[0], b.shape[1])
  guard
    m * n > 0, m * n <= tinyProductElements, k > 0, a.dtype == .float32, b.dtype == .float32,
    a.isContiguous,
    b.isContiguous, instructionSet != nd_none
  else { return nil }
  let c = result("tinyProductAndColumnSums", [m, n], .float32, into: product)
  let sums = result("tinyProductAndColumnSums", [m], .float32, into: sums)
  var product = Kernels.product(a.transposedView, b, nil, into: c)
  let context = KernelContext.current
  if precision == .bf16 { context.setScratch(of: &product, precision) }
  let isDone = keepingAlive(a, b, c, sums) {
    clocked {
      precision == .bf16
        ? nd_matmul_bf16_and_row_sums(&product, sums.floats) != 0
        : nd_matmul_and_row_sums(&product, sums.floats) != 0
    }
  }
  guard isDone else { return nil }
  context.count(multiplications: m * n * k)
  return (c, sums)
}

extension Tensor {
  fileprivate var constantFloats: UnsafePointer<Float> { UnsafePointer(floats) }
}

/// `matmul` by the kernel for one instruction set, for tests. `a` and `b` have a stride of 1 each.
/// - Returns: nil if this processor does not have the set.
package func matmul(
  _ a: Tensor, _ b: Tensor, bias: Tensor?, onAVX512: Bool, precision: Precision = .float32,
  isRectified: Bool = false
) -> Tensor? {
  let isRounded = precision == .bf16
  let set = !onAVX512 ? nd_avx2 : isRounded ? nd_avx512_bf16 : nd_avx512
  let best = isRounded ? bf16InstructionSet : instructionSet
  guard best.rawValue >= set.rawValue else { return nil }
  let c = Tensor(uninitialized: [a.shape[0], b.shape[1]])
  multiply(a, b, bias, into: c, set, precision, isRectified: isRectified)
  return c
}

/// Whether a matrix has a stride of 1 along one axis, and along the other axis a stride of at least
/// the extent of the first.
private func hasUnitStride(_ x: Tensor) -> Bool {
  let (rows, columns) = (x.shape[0], x.shape[1])
  let rowMajor = x.strides[1] == 1 && x.strides[0] >= columns
  let columnMajor = x.strides[0] == 1 && x.strides[1] >= rows
  return rowMajor || columnMajor
}

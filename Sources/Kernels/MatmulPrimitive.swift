import COneDNN
import Tensors

/// oneDNN's matmul for one set of shapes and strides: c[M, N] = a[M, K] b[K, N] (+ bias[N]).
///
/// Used on processors that CKernels' matmul has no version for.
final class MatmulPrimitive {
  struct Key: Hashable {
    let m, n, k: Int
    let aStrides, bStrides: SIMD2<Int>
    let hasBias: Bool
  }

  private var primitive: dnnl_primitive_t?
  private let a, b, c: dnnl_memory_t
  private let bias, scratchpad: dnnl_memory_t?
  private let scratchByteCount: Int

  init(_ key: Key, engine: dnnl_engine_t) {
    func describe(_ dims: [Int], _ strides: [Int]) -> dnnl_memory_desc_t {
      var description = dnnl_memory_desc_t()
      checkDNN(
        dnnl_memory_desc_init_by_strides(
          &description, Int32(dims.count), dims.map(Int64.init), dnnl_f32, strides.map(Int64.init)),
        "a memory description \(dims)")
      return description
    }
    func memory(_ description: inout dnnl_memory_desc_t) -> dnnl_memory_t {
      var memory: dnnl_memory_t?
      checkDNN(dnnl_memory_create(&memory, &description, engine, nil), "a memory object")
      return memory!
    }
    var aDescription = describe([key.m, key.k], [key.aStrides.x, key.aStrides.y])
    var bDescription = describe([key.k, key.n], [key.bStrides.x, key.bStrides.y])
    var cDescription = describe([key.m, key.n], [key.n, 1])
    var biasDescription = describe([1, key.n], [key.n, 1])
    var operation = dnnl_matmul_desc_t()
    checkDNN(
      withUnsafePointer(to: &biasDescription) { biasPointer in
        dnnl_matmul_desc_init(
          &operation, &aDescription, &bDescription, key.hasBias ? biasPointer : nil, &cDescription)
      }, "matmul \(key)")

    var attributes: dnnl_primitive_attr_t?
    checkDNN(dnnl_primitive_attr_create(&attributes), "attributes")
    defer { dnnl_primitive_attr_destroy(attributes) }
    // We provide the scratch memory: the library would allocate its own at every call.
    checkDNN(
      dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "scratchpad")
    var description: dnnl_primitive_desc_t?
    checkDNN(
      dnnl_primitive_desc_create(&description, &operation, attributes, engine, nil),
      "matmul \(key)")
    defer { dnnl_primitive_desc_destroy(description) }
    checkDNN(dnnl_primitive_create(&primitive, description), "matmul \(key)")

    a = memory(&aDescription)
    b = memory(&bDescription)
    c = memory(&cDescription)
    bias = key.hasBias ? memory(&biasDescription) : nil
    let scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0)
    scratchByteCount = scratch.map { dnnl_memory_desc_get_size($0) } ?? 0
    if scratchByteCount > 0, var scratchDescription = scratch?.pointee {
      scratchpad = memory(&scratchDescription)
    } else {
      scratchpad = nil
    }
  }

  deinit {
    dnnl_primitive_destroy(primitive)
    for memory in [a, b, c, bias, scratchpad] where memory != nil { dnnl_memory_destroy(memory) }
  }

  func run(
    in context: KernelContext, a aBase: UnsafeMutableRawPointer, b bBase: UnsafeMutableRawPointer,
    bias biasBase: UnsafeMutableRawPointer?, c cBase: UnsafeMutableRawPointer
  ) {
    dnnl_memory_set_data_handle(a, aBase)
    dnnl_memory_set_data_handle(b, bBase)
    dnnl_memory_set_data_handle(c, cBase)
    var arguments = (
      dnnl_exec_arg_t(arg: DNNL_ARG_SRC_0, memory: a),
      dnnl_exec_arg_t(arg: DNNL_ARG_WEIGHTS_0, memory: b),
      dnnl_exec_arg_t(arg: DNNL_ARG_DST_0, memory: c),
      dnnl_exec_arg_t(), dnnl_exec_arg_t()
    )
    var count: Int32 = 3
    withUnsafeMutableBytes(of: &arguments) { bytes in
      let arguments = bytes.assumingMemoryBound(to: dnnl_exec_arg_t.self).baseAddress!
      if let bias {
        dnnl_memory_set_data_handle(bias, biasBase)
        arguments[Int(count)] = dnnl_exec_arg_t(arg: DNNL_ARG_BIAS, memory: bias)
        count += 1
      }
      if let scratchpad {
        dnnl_memory_set_data_handle(scratchpad, context.scratch(scratchByteCount))
        arguments[Int(count)] = dnnl_exec_arg_t(arg: DNNL_ARG_SCRATCHPAD, memory: scratchpad)
        count += 1
      }
      checkDNN(dnnl_primitive_execute(primitive, context.stream, count, arguments), "matmul")
    }
  }
}

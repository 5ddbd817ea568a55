import COneDNN
import TensorCore

/// oneDNN's convolution, or one of its gradients, for one shape.
///
/// oneDNN chooses the layouts it is fastest in (channels in blocks of a vector); what it wants
/// otherwise than row-major is reordered on the way in and out.
final class ConvolutionPrimitive {
  enum Pass: Hashable { case forward, inputGradient, weightGradient }

  struct Key: Hashable {
    let pass: Pass
    let shape: ConvolutionShape
    let hasBias: Bool
    /// Of both operands; bias and result are float32.
    let precision: Precision
  }

  /// A tensor on its way into or out of the primitive.
  private struct Edge {
    let argument: Int32
    /// Row-major, as tensors are.
    let plain: dnnl_memory_t
    /// As the primitive wants it; `plain` itself where that is the same.
    let inner: dnnl_memory_t
    let innerByteCount: Int
    let reorder: dnnl_primitive_t?
    let isResult: Bool
  }

  private var primitive: dnnl_primitive_t?
  private var edges: [Edge] = []
  private var scratchpad: dnnl_memory_t?
  private var scratchByteCount = 0

  init(_ key: Key, engine: dnnl_engine_t) {
    let s = key.shape
    var attributes: dnnl_primitive_attr_t?
    checkDNN(dnnl_primitive_attr_create(&attributes), "attributes")
    defer { dnnl_primitive_attr_destroy(attributes) }
    // Our scratch memory: the library's own would be allocated anew at every call.
    checkDNN(
      dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "scratchpad")

    let dims = Dims(s)
    let strides = [s.stride.height, s.stride.width].map(Int64.init)
    let dilates = [s.dilation.height - 1, s.dilation.width - 1].map(Int64.init)
    let front = [s.padding.height, s.padding.width].map(Int64.init)
    let behind = [s.paddingBehind.height, s.paddingBehind.width].map(Int64.init)
    let operandType = key.precision == .bf16 ? dnnl_bf16 : dnnl_f32
    var x = anyLayout(dims.x, operandType)
    var w = anyLayout(dims.w, operandType)
    var y = anyLayout(dims.y, dnnl_f32)
    var bias = rowMajor(dims.bias)

    var operation = dnnl_convolution_desc_t()
    checkDNN(
      withUnsafePointer(to: &bias) { bias in
        dnnl_dilated_convolution_forward_desc_init(
          &operation, dnnl_forward_training, dnnl_convolution_direct, &x, &w,
          key.hasBias ? bias : nil, &y, strides, dilates, front, behind)
      }, "convolution \(key)")
    var forward: dnnl_primitive_desc_t?
    checkDNN(
      dnnl_primitive_desc_create(&forward, &operation, attributes, engine, nil),
      "convolution \(key)")
    defer { dnnl_primitive_desc_destroy(forward) }

    switch key.pass {
    case .forward: break
    case .inputGradient:
      x = anyLayout(dims.x, dnnl_f32)
      y = anyLayout(dims.y, operandType)
      checkDNN(
        dnnl_dilated_convolution_backward_data_desc_init(
          &operation, dnnl_convolution_direct, &x, &w, &y, strides, dilates, front, behind),
        "convolution \(key)")
    case .weightGradient:
      w = anyLayout(dims.w, dnnl_f32)
      y = anyLayout(dims.y, operandType)
      checkDNN(
        dnnl_dilated_convolution_backward_weights_desc_init(
          &operation, dnnl_convolution_direct, &x, &w, nil, &y, strides, dilates, front, behind),
        "convolution \(key)")
    }
    var description = forward
    if key.pass != .forward {
      checkDNN(
        dnnl_primitive_desc_create(&description, &operation, attributes, engine, forward),
        "convolution \(key)")
    }
    defer { if key.pass != .forward { dnnl_primitive_desc_destroy(description) } }
    checkDNN(dnnl_primitive_create(&primitive, description), "convolution \(key)")

    func add(_ argument: Int32, _ dims: [Int], isResult: Bool = false) {
      edges.append(
        ConvolutionPrimitive.edge(
          argument, dims, isResult, of: description!, engine: engine))
    }
    switch key.pass {
    case .forward:
      add(DNNL_ARG_SRC_0, dims.x)
      add(DNNL_ARG_WEIGHTS_0, dims.w)
      if key.hasBias { add(DNNL_ARG_BIAS, dims.bias) }
      add(DNNL_ARG_DST_0, dims.y, isResult: true)
    case .inputGradient:
      add(DNNL_ARG_DIFF_DST_0, dims.y)
      add(DNNL_ARG_WEIGHTS_0, dims.w)
      add(DNNL_ARG_DIFF_SRC_0, dims.x, isResult: true)
    case .weightGradient:
      add(DNNL_ARG_SRC_0, dims.x)
      add(DNNL_ARG_DIFF_DST_0, dims.y)
      add(DNNL_ARG_DIFF_WEIGHTS_0, dims.w, isResult: true)
    }
    if let scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0) {
      scratchByteCount = dnnl_memory_desc_get_size(scratch)
      if scratchByteCount > 0 {
        var known = scratch.pointee
        scratchpad = newMemory(&known, engine)
      }
    }
  }

  private static func edge(
    _ argument: Int32, _ dims: [Int], _ isResult: Bool, of description: dnnl_primitive_desc_t,
    engine: dnnl_engine_t
  ) -> Edge {
    var plain = rowMajor(dims)
    var inner = dnnl_primitive_desc_query_md(description, dnnl_query_exec_arg_md, argument)!.pointee
    let plainMemory = newMemory(&plain, engine)
    let byteCount = dnnl_memory_desc_get_size(&inner)
    if dnnl_memory_desc_equal(&plain, &inner) != 0 {
      return Edge(
        argument: argument, plain: plainMemory, inner: plainMemory, innerByteCount: byteCount,
        reorder: nil, isResult: isResult)
    }
    var way: dnnl_primitive_desc_t?
    checkDNN(
      isResult
        ? dnnl_reorder_primitive_desc_create(&way, &inner, engine, &plain, engine, nil)
        : dnnl_reorder_primitive_desc_create(&way, &plain, engine, &inner, engine, nil),
      "a reorder of \(dims)")
    defer { dnnl_primitive_desc_destroy(way) }
    var reorder: dnnl_primitive_t?
    checkDNN(dnnl_primitive_create(&reorder, way), "a reorder of \(dims)")
    return Edge(
      argument: argument, plain: plainMemory, inner: newMemory(&inner, engine),
      innerByteCount: byteCount, reorder: reorder, isResult: isResult)
  }

  deinit {
    dnnl_primitive_destroy(primitive)
    for edge in edges {
      dnnl_memory_destroy(edge.plain)
      guard let reorder = edge.reorder else { continue }
      dnnl_memory_destroy(edge.inner)
      dnnl_primitive_destroy(reorder)
    }
    if let scratchpad { dnnl_memory_destroy(scratchpad) }
  }

  /// - bases: where the operands and, last, the result lie, row-major.
  func run(in context: KernelContext, _ bases: [UnsafeMutableRawPointer]) {
    var reordered: [Storage] = []
    for (edge, base) in zip(edges, bases) {
      dnnl_memory_set_data_handle(edge.plain, base)
      guard let reorder = edge.reorder else { continue }
      let storage = Storage(byteCount: edge.innerByteCount)
      reordered.append(storage)
      dnnl_memory_set_data_handle(edge.inner, storage.base)
      if !edge.isResult { execute(reorder, from: edge.plain, to: edge.inner, context) }
    }
    var arguments = edges.map { dnnl_exec_arg_t(arg: $0.argument, memory: $0.inner) }
    if let scratchpad {
      dnnl_memory_set_data_handle(scratchpad, context.scratch(scratchByteCount))
      arguments.append(dnnl_exec_arg_t(arg: DNNL_ARG_SCRATCHPAD, memory: scratchpad))
    }
    checkDNN(
      dnnl_primitive_execute(primitive, context.stream, Int32(arguments.count), arguments),
      "convolution")
    for edge in edges where edge.isResult {
      if let reorder = edge.reorder { execute(reorder, from: edge.inner, to: edge.plain, context) }
    }
    withExtendedLifetime(reordered) {}
  }

  private func execute(
    _ reorder: dnnl_primitive_t, from source: dnnl_memory_t, to target: dnnl_memory_t,
    _ context: KernelContext
  ) {
    let arguments = [
      dnnl_exec_arg_t(arg: DNNL_ARG_SRC_0, memory: source),
      dnnl_exec_arg_t(arg: DNNL_ARG_DST_0, memory: target),
    ]
    checkDNN(dnnl_primitive_execute(reorder, context.stream, 2, arguments), "reorder")
  }
}

/// The operands' extents as oneDNN counts them: the groups are an axis of the weight.
private struct Dims {
  let x, w, y, bias: [Int]

  init(_ s: ConvolutionShape) {
    x = Array(s.inputShape)
    y = Array(s.outputShape)
    bias = [s.outChannels]
    w =
      s.groups == 1
      ? Array(s.weightShape)
      : [s.groups, s.outChannels / s.groups] + s.weightShape.dropFirst()
  }
}

private func anyLayout(_ dims: [Int], _ type: dnnl_data_type_t) -> dnnl_memory_desc_t {
  var description = dnnl_memory_desc_t()
  checkDNN(
    dnnl_memory_desc_init_by_tag(
      &description, Int32(dims.count), dims.map(Int64.init), type, dnnl_format_tag_any),
    "a memory description \(dims)")
  return description
}

private func rowMajor(_ dims: [Int]) -> dnnl_memory_desc_t {
  var description = dnnl_memory_desc_t()
  let strides = Shape(dims).contiguousStrides
  checkDNN(
    dnnl_memory_desc_init_by_strides(
      &description, Int32(dims.count), dims.map(Int64.init), dnnl_f32,
      dims.indices.map { Int64(strides[$0]) }),
    "a memory description \(dims)")
  return description
}

private func newMemory(_ description: inout dnnl_memory_desc_t, _ engine: dnnl_engine_t)
  -> dnnl_memory_t
{
  var memory: dnnl_memory_t?
  checkDNN(dnnl_memory_create(&memory, &description, engine, nil), "a memory object")
  return memory!
}

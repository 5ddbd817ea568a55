import COneDNN
import Tensors

/// oneDNN's convolution, or one of its gradients, for one shape.
///
/// oneDNN reads images with the channels innermost without a copy. For row-major images and for
/// weights it chooses its fastest layout (channels in blocks of a vector), and the tensors are
/// reordered before and after.
final class ConvolutionPrimitive {
  enum Pass: Hashable { case forward, inputGradient, weightGradient }

  struct Key: Hashable {
    let pass: Pass
    let shape: ConvolutionShape
    let hasBias: Bool
    /// Whether images have the channels innermost; else they are row-major.
    let isChannelsLast: Bool
    /// The precision of both operands; bias and result are float32.
    let precision: Precision
  }

  /// An argument of the primitive, with the reorder between the tensor's layout and the
  /// primitive's.
  private struct Argument {
    let index: Int32
    /// The memory in the tensor's own layout.
    let plain: dnnl_memory_t
    /// The memory in the primitive's layout; `plain` itself where both layouts are the same.
    let inner: dnnl_memory_t
    let innerByteCount: Int
    let reorder: dnnl_primitive_t?
    let isResult: Bool
  }

  private var primitive: dnnl_primitive_t?
  private var arguments: [Argument] = []
  private var scratchpad: dnnl_memory_t?
  private var scratchByteCount = 0

  init(_ key: Key, engine: dnnl_engine_t) {
    let s = key.shape
    var attributes: dnnl_primitive_attr_t?
    checkDNN(dnnl_primitive_attr_create(&attributes), "attributes")
    defer { dnnl_primitive_attr_destroy(attributes) }
    // We provide the scratch memory: the library would allocate its own at every call.
    checkDNN(
      dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "scratchpad")

    let dims = Dims(s)
    let strides = [s.stride.height, s.stride.width].map(Int64.init)
    let dilates = [s.dilation.height - 1, s.dilation.width - 1].map(Int64.init)
    let before = [s.padding.height, s.padding.width].map(Int64.init)
    let after = [s.paddingAfter.height, s.paddingAfter.width].map(Int64.init)
    let isRounded = key.precision == .bf16
    let operandType = isRounded ? dnnl_bf16 : dnnl_f32
    var x = anyLayout(dims.x, operandType)
    var w = anyLayout(dims.w, operandType)
    var y = anyLayout(dims.y, dnnl_f32)
    var bias = rowMajor(dims.bias)

    var operation = dnnl_convolution_desc_t()
    var forward: dnnl_primitive_desc_t?
    func describeForward() {
      checkDNN(
        withUnsafePointer(to: &bias) { bias in
          dnnl_dilated_convolution_forward_desc_init(
            &operation, dnnl_forward_training, dnnl_convolution_direct, &x, &w,
            key.hasBias ? bias : nil, &y, strides, dilates, before, after)
        }, "convolution \(key)")
      forward = reproducibleDescription(
        &operation, attributes, engine, hint: nil, "convolution \(key)")
    }
    describeForward()
    // Operands in bfloat16 are copies, so they may have any layout.
    if key.isChannelsLast && !isRounded {
      let preferred = [(DNNL_ARG_SRC_0, dims.x), (DNNL_ARG_DST_0, dims.y)].map {
        argument, dims in
        (dims, dnnl_primitive_desc_query_md(forward, dnnl_query_exec_arg_md, argument)!.pointee)
      }
      // One block of all channels is the same layout in memory, and is faster.
      if preferred.allSatisfy({ isChannelsLast($1, $0) }) {
        (x, y) = (preferred[0].1, preferred[1].1)
      } else {
        (x, y) = (channelsLast(dims.x), channelsLast(dims.y))
        dnnl_primitive_desc_destroy(forward)
        describeForward()
      }
    }
    defer { dnnl_primitive_desc_destroy(forward) }

    switch key.pass {
    case .forward: break
    case .inputGradient:
      if isRounded { (x, y) = (anyLayout(dims.x, dnnl_f32), anyLayout(dims.y, dnnl_bf16)) }
      checkDNN(
        dnnl_dilated_convolution_backward_data_desc_init(
          &operation, dnnl_convolution_direct, &x, &w, &y, strides, dilates, before, after),
        "convolution \(key)")
    case .weightGradient:
      if isRounded { (w, y) = (anyLayout(dims.w, dnnl_f32), anyLayout(dims.y, dnnl_bf16)) }
      checkDNN(
        dnnl_dilated_convolution_backward_weights_desc_init(
          &operation, dnnl_convolution_direct, &x, &w, nil, &y, strides, dilates, before, after),
        "convolution \(key)")
    }
    var description = forward
    if key.pass != .forward {
      description = reproducibleDescription(
        &operation, attributes, engine, hint: forward, "convolution \(key)")
    }
    defer { if key.pass != .forward { dnnl_primitive_desc_destroy(description) } }
    checkDNN(dnnl_primitive_create(&primitive, description), "convolution \(key)")

    func add(_ index: Int32, _ plain: dnnl_memory_desc_t, isResult: Bool = false) {
      arguments.append(
        ConvolutionPrimitive.argument(index, plain, isResult, of: description!, engine: engine))
    }
    let (ownX, ownY) =
      !key.isChannelsLast
      ? (rowMajor(dims.x), rowMajor(dims.y))
      : isRounded ? (channelsLast(dims.x), channelsLast(dims.y)) : (x, y)
    let ownW = rowMajor(dims.w)
    switch key.pass {
    case .forward:
      add(DNNL_ARG_SRC_0, ownX)
      add(DNNL_ARG_WEIGHTS_0, ownW)
      if key.hasBias { add(DNNL_ARG_BIAS, bias) }
      add(DNNL_ARG_DST_0, ownY, isResult: true)
    case .inputGradient:
      add(DNNL_ARG_DIFF_DST_0, ownY)
      add(DNNL_ARG_WEIGHTS_0, ownW)
      add(DNNL_ARG_DIFF_SRC_0, ownX, isResult: true)
    case .weightGradient:
      add(DNNL_ARG_SRC_0, ownX)
      add(DNNL_ARG_DIFF_DST_0, ownY)
      add(DNNL_ARG_DIFF_WEIGHTS_0, ownW, isResult: true)
    }
    if let scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0) {
      scratchByteCount = dnnl_memory_desc_get_size(scratch)
      if scratchByteCount > 0 {
        var known = scratch.pointee
        scratchpad = newMemory(&known, engine)
      }
    }
  }

  private static func argument(
    _ index: Int32, _ tensor: dnnl_memory_desc_t, _ isResult: Bool,
    of description: dnnl_primitive_desc_t, engine: dnnl_engine_t
  ) -> Argument {
    var plain = tensor
    var inner = dnnl_primitive_desc_query_md(description, dnnl_query_exec_arg_md, index)!.pointee
    let plainMemory = newMemory(&plain, engine)
    let byteCount = dnnl_memory_desc_get_size(&inner)
    if dnnl_memory_desc_equal(&plain, &inner) != 0 {
      return Argument(
        index: index, plain: plainMemory, inner: plainMemory, innerByteCount: byteCount,
        reorder: nil, isResult: isResult)
    }
    var reordering: dnnl_primitive_desc_t?
    checkDNN(
      isResult
        ? dnnl_reorder_primitive_desc_create(&reordering, &inner, engine, &plain, engine, nil)
        : dnnl_reorder_primitive_desc_create(&reordering, &plain, engine, &inner, engine, nil),
      "a reorder")
    defer { dnnl_primitive_desc_destroy(reordering) }
    var reorder: dnnl_primitive_t?
    checkDNN(dnnl_primitive_create(&reorder, reordering), "a reorder")
    return Argument(
      index: index, plain: plainMemory, inner: newMemory(&inner, engine),
      innerByteCount: byteCount, reorder: reorder, isResult: isResult)
  }

  deinit {
    dnnl_primitive_destroy(primitive)
    for argument in arguments {
      dnnl_memory_destroy(argument.plain)
      guard let reorder = argument.reorder else { continue }
      dnnl_memory_destroy(argument.inner)
      dnnl_primitive_destroy(reorder)
    }
    if let scratchpad { dnnl_memory_destroy(scratchpad) }
  }

  /// - tensors: the operands and, last, the result, in the layouts that the key names.
  func run(in context: KernelContext, _ tensors: [Tensor]) {
    // oneDNN reads the tensors after the last use that Swift sees, so they are kept alive.
    defer { withExtendedLifetime(tensors) {} }
    var reordered: [Storage] = []
    for (argument, tensor) in zip(arguments, tensors) {
      dnnl_memory_set_data_handle(argument.plain, tensor.rawPointer)
      guard let reorder = argument.reorder else { continue }
      let storage = Storage(byteCount: argument.innerByteCount)
      reordered.append(storage)
      dnnl_memory_set_data_handle(argument.inner, storage.base)
      if !argument.isResult { execute(reorder, from: argument.plain, to: argument.inner, context) }
    }
    var passed = arguments.map { dnnl_exec_arg_t(arg: $0.index, memory: $0.inner) }
    if let scratchpad {
      dnnl_memory_set_data_handle(scratchpad, context.scratch(scratchByteCount))
      passed.append(dnnl_exec_arg_t(arg: DNNL_ARG_SCRATCHPAD, memory: scratchpad))
    }
    checkDNN(
      dnnl_primitive_execute(primitive, context.stream, Int32(passed.count), passed),
      "convolution")
    for argument in arguments where argument.isResult {
      guard let reorder = argument.reorder else { continue }
      execute(reorder, from: argument.inner, to: argument.plain, context)
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

/// The operands' extents in oneDNN's form, where the groups are an axis of the weight.
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

/// oneDNN's first implementation that always gives the same result. brgconv of version 2.6.3
/// sometimes gives wrong results while other threads convolve.
private func reproducibleDescription(
  _ operation: inout dnnl_convolution_desc_t, _ attributes: dnnl_primitive_attr_t?,
  _ engine: dnnl_engine_t, hint: dnnl_primitive_desc_t?, _ what: String
) -> dnnl_primitive_desc_t? {
  var choices: dnnl_primitive_desc_iterator_t?
  checkDNN(
    dnnl_primitive_desc_iterator_create(&choices, &operation, attributes, engine, hint), what)
  defer { dnnl_primitive_desc_iterator_destroy(choices) }
  while true {
    let description = dnnl_primitive_desc_iterator_fetch(choices)
    var name: UnsafePointer<CChar>?
    checkDNN(dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name), what)
    if !String(cString: name!).hasPrefix("brg") { return description }
    dnnl_primitive_desc_destroy(description)
    checkDNN(dnnl_primitive_desc_iterator_next(choices), what)
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
  let strides = Shape(dims).contiguousStrides
  return laidOut(dims, dims.indices.map { strides[$0] })
}

/// - dims: [N, C, H, W].
private func channelsLast(_ dims: [Int]) -> dnnl_memory_desc_t {
  laidOut(dims, channelsLastStrides(dims))
}

private func channelsLastStrides(_ dims: [Int]) -> [Int] {
  [dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]]
}

private func laidOut(_ dims: [Int], _ strides: [Int]) -> dnnl_memory_desc_t {
  var description = dnnl_memory_desc_t()
  checkDNN(
    dnnl_memory_desc_init_by_strides(
      &description, Int32(dims.count), dims.map(Int64.init), dnnl_f32, strides.map(Int64.init)),
    "a memory description \(dims)")
  return description
}

/// Whether a description of images [N, C, H, W] has the channels innermost: by strides, or as one
/// block of all channels.
private func isChannelsLast(_ description: dnnl_memory_desc_t, _ dims: [Int]) -> Bool {
  let blocking = description.format_desc.blocking
  let isOneBlock =
    blocking.inner_nblks == 1 && blocking.inner_idxs.0 == 1 && Int(blocking.inner_blks.0) == dims[1]
  guard description.format_kind == dnnl_blocked, blocking.inner_nblks == 0 || isOneBlock else {
    return false
  }
  let strides = [blocking.strides.0, blocking.strides.1, blocking.strides.2, blocking.strides.3]
  let own = channelsLastStrides(dims)
  return dims.indices.allSatisfy { axis in
    dims[axis] == 1 || (axis == 1 && isOneBlock) || Int(strides[axis]) == own[axis]
  }
}

private func newMemory(_ description: inout dnnl_memory_desc_t, _ engine: dnnl_engine_t)
  -> dnnl_memory_t
{
  var memory: dnnl_memory_t?
  checkDNN(dnnl_memory_create(&memory, &description, engine, nil), "a memory object")
  return memory!
}

import COneDNN
import CSystem
import Tensors

/// The state of one thread that runs kernels: oneDNN's engine, stream and primitives by shape, and
/// scratch memory. Each thread has its own context, so nothing here is shared or locked.
final class KernelContext {
  // Created at first use: a network without convolutions does not need oneDNN's memory.
  private(set) lazy var engine = KernelContext.newEngine()
  private(set) lazy var stream = KernelContext.newStream(engine)
  private var matmuls: [MatmulPrimitive.Key: MatmulPrimitive] = [:]
  private var convolutions: [ConvolutionPrimitive.Key: ConvolutionPrimitive] = [:]
  @exclusivity(unchecked) private var scratch: Storage?
  /// Multiplications and additions of matrix products and convolutions so far: all of them, and
  /// those that were computed. Some products of 0 are skipped.
  @exclusivity(unchecked) private(set) var operations = 0
  @exclusivity(unchecked) private(set) var operationsComputed = 0

  /// The most primitives of a kind in the cache, enough for any real run, as a network has few
  /// shapes. A full cache is emptied, so that shapes that are not used again do not accumulate.
  private static let maxPrimitives = 1024

  /// The calling thread's context, created at its first use and kept as long as the thread.
  static var current: KernelContext {
    if let known = nd_thread_slot(0) {
      return Unmanaged<KernelContext>.fromOpaque(known).takeUnretainedValue()
    }
    let context = KernelContext()
    nd_set_thread_slot(0, Unmanaged.passRetained(context).toOpaque())
    return context
  }

  /// - computed: the number of multiplications that were not skipped; nil: all of them.
  func count(multiplications: Int, computed: Int? = nil) {
    operations &+= 2 * multiplications
    operationsComputed &+= 2 * (computed ?? multiplications)
  }

  private init() {
    // The setting is per thread and must precede all primitives, as oneDNN's bits depend on the
    // number of threads.
    conednn_use_one_thread()
  }

  private static func newEngine() -> dnnl_engine_t {
    var engine: dnnl_engine_t?
    checkDNN(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine")
    return engine!
  }

  private static func newStream(_ engine: dnnl_engine_t) -> dnnl_stream_t {
    var stream: dnnl_stream_t?
    checkDNN(
      dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)), "stream")
    return stream!
  }

  func matmul(_ key: MatmulPrimitive.Key) -> MatmulPrimitive {
    if let known = matmuls[key] { return known }
    if matmuls.count >= KernelContext.maxPrimitives { matmuls.removeAll() }
    let primitive = MatmulPrimitive(key, engine: engine)
    matmuls[key] = primitive
    return primitive
  }

  func convolution(_ key: ConvolutionPrimitive.Key) -> ConvolutionPrimitive {
    if let known = convolutions[key] { return known }
    if convolutions.count >= KernelContext.maxPrimitives { convolutions.removeAll() }
    let primitive = ConvolutionPrimitive(key, engine: engine)
    convolutions[key] = primitive
    return primitive
  }

  /// Scratch memory of at least `byteCount` bytes, valid until the next call.
  func scratch(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if let scratch, scratch.byteCount >= byteCount { return scratch.base }
    let grown = Storage(byteCount: byteCount)
    scratch = grown
    return grown.base
  }
}

/// Traps where oneDNN fails. It fails only on wrong arguments, which are a bug here, or without
/// memory.
func checkDNN(_ status: dnnl_status_t, _ what: @autoclosure () -> String) {
  if status == dnnl_success { return }
  let message = "oneDNN could not make or run \(what())"
  if status == dnnl_out_of_memory { nd_out_of_memory(message) }
  fatalError("\(message): status \(status.rawValue)")
}

/// The oneDNN library in use.
public enum OneDNN {
  /// The version in use, such as "2.6.3".
  public static var version: String {
    let v = dnnl_version()!.pointee
    return "\(v.major).\(v.minor).\(v.patch)"
  }

  /// Whether it computes in bfloat16 on this processor.
  static let hasBF16: Bool = {
    let minimum = dnnl_cpu_isa_avx512_core.rawValue
    return dnnl_get_effective_cpu_isa().rawValue & minimum == minimum
  }()

  /// The instruction set that it uses, such as "AVX-512 with VNNI and bfloat16".
  public static var instructionSet: String {
    switch dnnl_get_effective_cpu_isa() {
    case dnnl_cpu_isa_sse41: "SSE4.1"
    case dnnl_cpu_isa_avx: "AVX"
    case dnnl_cpu_isa_avx2: "AVX2"
    case dnnl_cpu_isa_avx2_vnni: "AVX2 with VNNI"
    case dnnl_cpu_isa_avx512_core: "AVX-512"
    case dnnl_cpu_isa_avx512_core_vnni: "AVX-512 with VNNI"
    case dnnl_cpu_isa_avx512_core_bf16: "AVX-512 with bfloat16"
    case dnnl_cpu_isa_avx512_core_amx: "AVX-512 with AMX"
    default: "instruction set \(dnnl_get_effective_cpu_isa().rawValue)"
    }
  }
}

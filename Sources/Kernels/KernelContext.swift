import COneDNN
import CSystem
import Tensors

/// What one thread needs to run oneDNN: an engine, a stream, its primitives by shape, and scratch
/// memory. Each thread has its own, so nothing here is shared or locked.
final class KernelContext {
  // Made where they are needed: a network without convolutions has no use for oneDNN's memory.
  private(set) lazy var engine = KernelContext.newEngine()
  private(set) lazy var stream = KernelContext.newStream(engine)
  private var matmuls: [MatmulPrimitive.Key: MatmulPrimitive] = [:]
  private var convolutions: [ConvolutionPrimitive.Key: ConvolutionPrimitive] = [:]
  @exclusivity(unchecked) private var scratch: Storage?
  /// Multiplications and additions of matrix products and convolutions so far: all there are, and those
  /// that were made, as 0 is passed over in places.
  @exclusivity(unchecked) private(set) var operations = 0
  @exclusivity(unchecked) private(set) var operationsMade = 0

  /// Enough for any real run (a net has a few shapes); beyond it the cache starts anew, so that
  /// shapes that never come back do not pile up.
  private static let maxPrimitives = 1024

  /// The calling thread's context; made at its first use and kept for the thread's life.
  static var current: KernelContext {
    if let known = nd_thread_slot(0) {
      return Unmanaged<KernelContext>.fromOpaque(known).takeUnretainedValue()
    }
    let context = KernelContext()
    nd_set_thread_slot(0, Unmanaged.passRetained(context).toOpaque())
    return context
  }

  /// - made: nil for all of them.
  func count(multiplications: Int, made: Int? = nil) {
    operations &+= 2 * multiplications
    operationsMade &+= 2 * (made ?? multiplications)
  }

  private init() {
    // A thread's setting, and before any primitive is made: oneDNN's bits depend on the number.
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

  /// Scratch memory of at least `byteCount` bytes, good until the next call.
  func scratch(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if let scratch, scratch.byteCount >= byteCount { return scratch.base }
    let grown = Storage(byteCount: byteCount)
    scratch = grown
    return grown.base
  }
}

/// oneDNN fails only on arguments we should not have passed or on lack of memory.
func checkDNN(_ status: dnnl_status_t, _ what: @autoclosure () -> String) {
  if status == dnnl_success { return }
  let message = "oneDNN could not make or run \(what())"
  if status == dnnl_out_of_memory { nd_out_of_memory(message) }
  fatalError("\(message): status \(status.rawValue)")
}

/// What oneDNN runs on here.
public enum OneDNN {
  /// The version in use, such as "2.6.3".
  public static var version: String {
    let v = dnnl_version()!.pointee
    return "\(v.major).\(v.minor).\(v.patch)"
  }

  /// Whether it computes in bfloat16 here.
  static let hasBF16: Bool = {
    let least = dnnl_cpu_isa_avx512_core.rawValue
    return dnnl_get_effective_cpu_isa().rawValue & least == least
  }()

  /// The instruction set it dispatches to, such as "AVX-512 with VNNI and bfloat16".
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

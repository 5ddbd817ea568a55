import CKernels

/// A hash of bytes that arrive in pieces. It does not depend on where the pieces are cut.
struct ContentHash {
  private var state = nd_hash_state()

  init() { nd_hash_begin(&state) }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    nd_hash_update(&state, bytes.baseAddress, bytes.count)
  }

  /// The hash of all bytes so far.
  var value: UInt64 {
    var state = state
    return nd_hash_end(&state)
  }

  /// The hash of several hashes, in this order.
  static func joined(_ hashes: UInt64...) -> UInt64 {
    hashes.withUnsafeBytes { nd_hash($0.baseAddress!, $0.count) }
  }
}

import CKernels

/// A hash of bytes that come in pieces: the same however they are cut.
struct ContentHash {
  private var state = nd_hash_state()

  init() { nd_hash_begin(&state) }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    nd_hash_update(&state, bytes.baseAddress, bytes.count)
  }

  /// Of all bytes so far.
  var value: UInt64 {
    var state = state
    return nd_hash_end(&state)
  }

  /// Of several hashes in their order.
  static func joined(_ hashes: UInt64...) -> UInt64 {
    hashes.withUnsafeBytes { nd_hash($0.baseAddress!, $0.count) }
  }
}

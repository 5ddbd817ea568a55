import Datasets

/// The samples of a source, all or some, as numbers.
struct SamplesRead: Equatable {
  var inputs: [Float] = []
  var targets: [Float] = []

  /// Reads `source` to its end; of the samples that `isWanted` says no to, nothing.
  init(_ source: any SampleSource, where isWanted: (Int) -> Bool = { _ in true }) throws {
    for sample in 0..<source.sampleCount {
      guard isWanted(sample) else {
        try source.next(input: nil, target: nil)
        continue
      }
      // One byte more than there is room for, to see that it stays as it is.
      var input = [UInt8](
        repeating: 0xa5, count: source.inputElementCount * source.inputType.byteCount + 1)
      var target = [UInt8](
        repeating: 0xa5, count: source.targetElementCount * source.targetType.byteCount + 1)
      try input.withUnsafeMutableBytes { input in
        try target.withUnsafeMutableBytes { target in
          try source.next(input: input.baseAddress, target: target.baseAddress)
        }
      }
      if input.last != 0xa5 || target.last != 0xa5 { throw WroteTooMuch() }
      inputs +=
        source.inputType == .uint8
        ? input.dropLast().map { Float($0) } : SamplesRead.numbers(input, Float.self)
      targets +=
        source.targetType == .float32
        ? SamplesRead.numbers(target, Float.self)
        : SamplesRead.numbers(target, Int64.self).map { Float($0) }
    }
    try source.finish()
  }

  struct WroteTooMuch: Error {}

  private static func numbers<T>(_ bytes: [UInt8], _ type: T.Type) -> [T] {
    bytes.withUnsafeBytes { raw in
      (0..<raw.count / MemoryLayout<T>.size).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: type)
      }
    }
  }
}

/// Bytes of hexadecimal digits.
func bytes(hex: String) -> [UInt8] {
  let digits = Array(hex.utf8)
  return stride(from: 0, to: digits.count, by: 2).map {
    UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
  }
}

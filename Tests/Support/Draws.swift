import Foundation
import Tensors

/// The random choices of one case of a random test.
///
/// The seed is 1, or NNDIST_TEST_SEED from the environment; a draw's description, to be printed on
/// failure, tells how to get the same choices again. SplitMix64 (Steele, Lea, Flood, OOPSLA 2014),
/// and not CountedRandom, which is itself under test.
public struct Draws: CustomStringConvertible {
  private static let seed =
    ProcessInfo.processInfo.environment["NNDIST_TEST_SEED"].flatMap { UInt64($0) } ?? 1

  private var state: UInt64
  private let number: Int

  public init(case number: Int) {
    self.number = number
    state = Draws.seed &* 0xD134_2543_DE82_EF95 &+ UInt64(number)
    _ = word()
  }

  public var description: String { "case \(number), NNDIST_TEST_SEED=\(Draws.seed)" }

  public mutating func word() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  public mutating func int(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(word() % UInt64(range.count))
  }

  public mutating func pick<Choice>(_ choices: [Choice]) -> Choice {
    choices[int(0...choices.count - 1)]
  }

  /// In -1 ..< 1.
  public mutating func float() -> Float { Float(Int64(bitPattern: word()) >> 40) * 0x1p-23 }

  /// In -1 ..< 1.
  public mutating func double() -> Double { Double(Int64(bitPattern: word()) >> 11) * 0x1p-52 }

  public mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }

  public mutating func doubles(_ count: Int) -> [Double] { (0..<count).map { _ in double() } }

  /// A tensor with `values` in row-major order, laid out at random in its storage: from any element
  /// on, its axes in any order, with or without gaps.
  public mutating func laidOut<Scalar: TensorScalar>(_ values: [Scalar], shape: Shape) -> Tensor {
    let gaps = pick([false, false, true])
    var axes = Array(0..<shape.count)
    if pick([true, false]) { for i in axes.indices { axes.swapAt(i, int(0...i)) } }
    var strides = Strides(axisCount: shape.count)
    var step = gaps ? int(1...3) : 1
    for axis in axes.reversed() {
      strides[axis] = step
      step *= max(shape[axis], 1) + (gaps ? int(0...3) : 0)
    }
    let offset = int(0...17)
    let storage = Storage(byteCount: (offset + step) * Scalar.dtype.byteCount)
    let tensor = Tensor(
      storage: storage, shape: shape, strides: strides, offset: offset, dtype: Scalar.dtype)
    let base = storage.base.assumingMemoryBound(to: Scalar.self)
    var next = 0
    tensor.forEachOffset {
      base[$0] = values[next]
      next += 1
    }
    return tensor
  }
}

import System

extension ArraySource {
  /// Standard normal inputs and targets, all independent: NumPy's `randn(count, inputCount)`, then
  /// `randn(count, targetCount)`, with `seed`.
  /// - Returns: inputs [count, inputCount], targets [count, targetCount], numbers.
  /// - Precondition: all counts are positive.
  package static func noise(
    inputCount: Int, targetCount: Int, count: Int, seed: UInt32
  ) -> ArraySource {
    require(
      inputCount >= 1 && targetCount >= 1 && count >= 1,
      "noise: \(count) samples of \(inputCount) and \(targetCount) numbers")
    var random = NumPyRandom(seed: seed)
    func normals(_ count: Int) -> [Float] {
      (0..<count).map { _ in Float(random.standardNormal()) }
    }
    let inputs = normals(count * inputCount)
    return ArraySource(
      name: "noise", inputs: inputs, inputShape: [inputCount],
      targets: .numbers(normals(count * targetCount)), targetShape: [targetCount])
  }

  /// The same pair of numbers `count` times: inputs [count, 1], targets [count, 1].
  /// - Precondition: count >= 1.
  package static func constant(input: Float, value: Float, count: Int) -> ArraySource {
    require(count >= 1, "constant: \(count) samples")
    return ArraySource(
      name: "constant", inputs: Array(repeating: input, count: count), inputShape: [1],
      targets: .numbers(Array(repeating: value, count: count)), targetShape: [1])
  }
}

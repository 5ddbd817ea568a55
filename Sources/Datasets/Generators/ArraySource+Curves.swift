import Glibc
import System

/// y as a function of x, one number each: inputs [N, 1], targets [N, 1].
extension ArraySource {
  private static func curve(_ name: String, _ x: [Double], _ y: [Double]) -> ArraySource {
    ArraySource(
      name: name, inputs: x.map { Float($0) }, inputShape: [1],
      targets: .numbers(y.map { Float($0) }), targetShape: [1])
  }

  /// A noisy line: y = slope x + intercept + N(0, deviation^2), with integers x in low ... high.
  ///
  /// Random numbers are NumPy's with `seed`: `random_integers(low, high, count)`, then
  /// `normal(scale=deviation, size=count)`.
  /// - Precondition: count >= 1, low <= high < Int.max.
  package static func line(
    count: Int, slope: Double, intercept: Double, low: Int, high: Int, deviation: Double,
    seed: UInt32
  ) -> ArraySource {
    require(count >= 1, "line: \(count) samples")
    var random = NumPyRandom(seed: seed)
    let x = (0..<count).map { _ in Double(random.randomIntegers(low: low, high: high)) }
    let y = x.map { slope * $0 + intercept + random.normal(deviation: deviation) }
    return curve("line", x, y)
  }

  /// y = x^2 at `np.linspace(low, high, count)`.
  /// - Precondition: count >= 1.
  package static func parabola(count: Int, low: Double, high: Double) -> ArraySource {
    require(count >= 1, "parabola: \(count) samples")
    let step = (high - low) / Double(count - 1)
    var x = (0..<count).map { Double($0) * step + low }
    // As in NumPy, the last x is exactly `high`; a single x is `low`.
    x[count - 1] = count == 1 ? low : high
    return curve("parabola", x, x.map { $0 * $0 })
  }

  /// y = sin(3 x) exp(-x / 8) at `np.arange(low, high, step)`.
  /// - Parameter isFlipped: whether the values y are in reverse order, `y[::-1]`.
  /// - Precondition: low < high, step > 0, all finite.
  package static func wave(
    low: Double, high: Double, step: Double, isFlipped: Bool = false
  ) -> ArraySource {
    require(
      low < high && step > 0 && (high - low).isFinite && step.isFinite,
      "wave: no x from \(low) to \(high) by \(step)")
    let count = Int(((high - low) / step).rounded(.up))
    // NumPy adds multiples of the rounded difference of the first two numbers.
    let difference = (low + step) - low
    let x = (0..<count).map { low + Double($0) * difference }
    let y = x.map { sin(3 * $0) * exp(-$0 / 8) }
    return curve("wave", x, isFlipped ? y.reversed() : y)
  }
}

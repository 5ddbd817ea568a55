import Glibc
import System

/// A reference implementation of every fast kernel: simple loops in simple order, for any
/// floating-point type.
///
/// In float32 it checks the fast kernels in tests; in float64 it is what ops run.
public enum Reference {
  public typealias Elements<T> = UnsafeMutableBufferPointer<T>

  /// c[M, N] = a[M, K] b[K, N] (+ bias[N]), all row-major.
  public static func matmul<T: BinaryFloatingPoint>(
    _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ bias: UnsafePointer<T>?,
    _ c: UnsafeMutablePointer<T>, m: Int, n: Int, k: Int
  ) {
    for row in 0..<m {
      for column in 0..<n {
        var sum: T = 0
        for i in 0..<k { sum += a[row * k + i] * b[i * n + column] }
        c[row * n + column] = sum + (bias?[column] ?? 0)
      }
    }
  }

  public static func relu<T: BinaryFloatingPoint>(_ x: Elements<T>, _ y: Elements<T>) {
    for i in x.indices { y[i] = x[i] <= 0 ? 0 : x[i] }
  }

  public static func reluBackward<T: BinaryFloatingPoint>(
    _ dy: Elements<T>, _ y: Elements<T>, _ dx: Elements<T>
  ) {
    for i in y.indices { dx[i] = y[i] <= 0 ? 0 : dy[i] }
  }

  public static func add<T: BinaryFloatingPoint>(
    _ x: Elements<T>, _ y: Elements<T>, _ z: Elements<T>
  ) {
    for i in x.indices { z[i] = x[i] + y[i] }
  }

  public static func multiply<T: BinaryFloatingPoint>(
    _ x: Elements<T>, _ y: Elements<T>, _ z: Elements<T>
  ) {
    for i in x.indices { z[i] = x[i] * y[i] }
  }

  public static func sum<T: BinaryFloatingPoint>(_ x: Elements<T>) -> T {
    var sum: T = 0
    for value in x { sum += value }
    return sum
  }

  /// sums[c] = sum over r, in order, of x[r, c].
  public static func columnSums<T: BinaryFloatingPoint>(_ x: Elements<T>, _ sums: Elements<T>) {
    sums.update(repeating: 0)
    for i in x.indices { sums[i % sums.count] += x[i] }
  }

  /// Softmax of every row and the sum of -log p[target].
  public static func softmaxCrossEntropy<T: BinaryFloatingPoint>(
    _ logits: Elements<T>, _ targets: UnsafePointer<Int64>, _ p: Elements<T>, rows: Int,
    classes: Int
  ) -> Double {
    var total = 0.0
    for row in 0..<rows {
      let x = logits[row * classes..<(row + 1) * classes].map { Double($0) }
      let largest = x.max()!
      let sum = x.reduce(0) { $0 + exp($1 - largest) }
      for c in 0..<classes { p[row * classes + c] = T(exp(x[c] - largest) / sum) }
      total += log(sum) + largest - x[Int(targets[row])]
    }
    return total
  }

  public static func softmaxCrossEntropyBackward<T: BinaryFloatingPoint>(
    _ p: Elements<T>, _ targets: UnsafePointer<Int64>, _ dx: Elements<T>, rows: Int, classes: Int,
    scale: Double
  ) {
    for row in 0..<rows {
      for c in 0..<classes {
        let i = row * classes + c
        dx[i] = (p[i] - (Int(targets[row]) == c ? 1 : 0)) * T(scale)
      }
    }
  }
}

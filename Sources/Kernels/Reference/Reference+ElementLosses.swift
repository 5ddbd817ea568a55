import Tensors

extension Reference {
  /// The sum of (x - y)^2.
  public static func squaredError<T: BinaryFloatingPoint>(
    _ x: Elements<T>, _ y: Elements<T>
  ) -> Double {
    var sum = 0.0
    for i in x.indices { sum += Double((x[i] - y[i]) * (x[i] - y[i])) }
    return sum
  }

  public static func squaredErrorBackward<T: BinaryFloatingPoint>(
    _ x: Elements<T>, _ y: Elements<T>, _ dx: Elements<T>, scale: Double
  ) {
    for i in x.indices { dx[i] = 2 * (x[i] - y[i]) * T(scale) }
  }

  /// The sum of -y ln x - (1 - y) ln(1 - x), each logarithm at smallest -100.
  public static func binaryCrossEntropy<T: RealScalar>(
    _ x: Elements<T>, _ y: Elements<T>
  ) -> Double {
    var sum = 0.0
    for i in x.indices {
      let (log, logOfRest) = (T.evaluate(.log, x[i]), T.evaluate(.log1p, -x[i]))
      sum += Double((y[i] - 1) * max(logOfRest, -100) - y[i] * max(log, -100))
    }
    return sum
  }

  public static func binaryCrossEntropyBackward<T: BinaryFloatingPoint>(
    _ x: Elements<T>, _ y: Elements<T>, _ dx: Elements<T>, scale: Double
  ) {
    // The bound is a float in PyTorch, even for double.
    let smallest = T(1e-12 as Float)
    for i in x.indices { dx[i] = (x[i] - y[i]) / max((1 - x[i]) * x[i], smallest) * T(scale) }
  }

  public static func areProbabilities<T: BinaryFloatingPoint>(_ x: Elements<T>) -> Bool {
    x.allSatisfy { $0 >= 0 && $0 <= 1 }
  }
}

import TensorCore

extension Reference {
  /// 1 / (1 + e^-x), without overflow.
  public static func sigmoid<T: RealScalar>(_ x: Elements<T>, _ y: Elements<T>) {
    for i in x.indices {
      let e = T.evaluate(.exp, -abs(x[i]))
      y[i] = (x[i] < 0 ? e : 1) / (1 + e)
    }
  }

  public static func sigmoidBackward<T: BinaryFloatingPoint>(
    _ dy: Elements<T>, _ y: Elements<T>, _ dx: Elements<T>
  ) {
    for i in y.indices { dx[i] = dy[i] * (y[i] * (1 - y[i])) }
  }
}

import Glibc
import Tensors

// The optimizers as PyTorch's documentation writes them, at step t from 1.

extension Reference {
  /// m = momentum m + (1 - dampening) g (g at the first step). p -= lr (g + momentum m) with
  /// Nesterov's momentum, p -= lr m with ordinary momentum, p -= lr g without momentum.
  public static func sgd<T: BinaryFloatingPoint>(
    _ p: Elements<T>, _ m: Elements<T>?, _ g: Elements<T>, t: Int = 1, lr: T, momentum: T = 0,
    dampening: T = 0, nesterov: Bool = false, weightDecay: T = 0
  ) {
    for i in p.indices {
      let gradient = g[i] + weightDecay * p[i]
      guard let m, momentum != 0 else {
        p[i] -= lr * gradient
        continue
      }
      m[i] = t == 1 ? gradient : momentum * m[i] + (1 - dampening) * gradient
      p[i] -= lr * (nesterov ? gradient + momentum * m[i] : m[i])
    }
  }

  /// Adam (Kingma and Ba, 2015, algorithm 1); `isDecoupled`: AdamW (Loshchilov and Hutter, 2019).
  public static func adam<T: BinaryFloatingPoint>(
    _ p: Elements<T>, _ m: Elements<T>, _ v: Elements<T>, _ g: Elements<T>, t: Int, lr: Double,
    beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double = 0,
    isDecoupled: Bool = false
  ) {
    let meanCorrection = 1 - pow(beta1, Double(t))
    let squareCorrection = 1 - pow(beta2, Double(t))
    for i in p.indices {
      let gradient = isDecoupled ? g[i] : g[i] + T(weightDecay) * p[i]
      if isDecoupled { p[i] -= T(lr * weightDecay) * p[i] }
      m[i] = T(beta1) * m[i] + T(1 - beta1) * gradient
      v[i] = T(beta2) * v[i] + T(1 - beta2) * gradient * gradient
      let denominator = (v[i] / T(squareCorrection)).squareRoot() + T(epsilon)
      p[i] -= T(lr) * (m[i] / T(meanCorrection)) / denominator
    }
  }

  /// RMSprop (Hinton's lecture 6e; centred: Graves, 2013).
  public static func rmsprop<T: BinaryFloatingPoint>(
    _ p: Elements<T>, _ v: Elements<T>, _ m: Elements<T>?, _ c: Elements<T>?, _ g: Elements<T>,
    lr: T, alpha: T, epsilon: T, momentum: T, weightDecay: T = 0
  ) {
    for i in p.indices {
      let gradient = g[i] + weightDecay * p[i]
      v[i] = alpha * v[i] + (1 - alpha) * gradient * gradient
      var square = v[i]
      if let c {
        c[i] = alpha * c[i] + (1 - alpha) * gradient
        square -= c[i] * c[i]
      }
      let scaled = gradient / (square.squareRoot() + epsilon)
      if let m { m[i] = momentum * m[i] + scaled }
      p[i] -= lr * (m?[i] ?? scaled)
    }
  }

  /// Adagrad (Duchi, Hazan and Singer, 2011).
  public static func adagrad<T: BinaryFloatingPoint>(
    _ p: Elements<T>, _ s: Elements<T>, _ g: Elements<T>, lr: T, epsilon: T, weightDecay: T = 0
  ) {
    for i in p.indices {
      let gradient = g[i] + weightDecay * p[i]
      s[i] += gradient * gradient
      p[i] -= lr * gradient / (s[i].squareRoot() + epsilon)
    }
  }
}

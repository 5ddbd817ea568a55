import System

extension NumPyRandom {
  /// `randint(low, high)` of NumPy's default type, int64: low ..< high.
  ///
  /// Draws numbers below the next power of two until one is in range. A draw has 32 bits where the
  /// range fits, else 64.
  /// - Precondition: low < high.
  package mutating func randint(low: Int = 0, high: Int) -> Int {
    require(low < high, "randint: no integer in \(low) ..< \(high)")
    let range = UInt64(bitPattern: Int64(high)) &- UInt64(bitPattern: Int64(low)) &- 1
    return low &+ Int(truncatingIfNeeded: interval(range))
  }

  /// `random_integers(low, high)`: low ... high.
  /// - Precondition: low <= high < Int.max.
  package mutating func randomIntegers(low: Int = 1, high: Int) -> Int {
    require(low <= high && high < Int.max, "random_integers: no integer in \(low) ... \(high)")
    return randint(low: low, high: high + 1)
  }

  /// `choice(n, count, replace)`: indices in 0 ..< n.
  /// - Precondition: n >= 1; count <= n without replacement.
  package mutating func choice(_ n: Int, count: Int, replace: Bool = true) -> [Int] {
    require(n >= 1 && count >= 0, "choice: \(count) of \(n)")
    if replace { return (0..<count).map { _ in randint(high: n) } }
    require(count <= n, "choice: \(count) of \(n) without putting back")
    return Array(permutation(n).prefix(count))
  }

  /// `permutation(n)`: 0 ..< n in random order.
  package mutating func permutation(_ n: Int) -> [Int] {
    var order = Array(0..<n)
    shuffle(&order)
    return order
  }

  /// `shuffle(values)`: the Fisher-Yates shuffle, from the last element to the first.
  package mutating func shuffle<Element>(_ values: inout [Element]) {
    for i in stride(from: values.count - 1, to: 0, by: -1) {
      values.swapAt(i, Int(interval(UInt64(i))))
    }
  }

  /// A random number in 0 ... maximum; draws nothing where `maximum` is 0.
  private mutating func interval(_ maximum: UInt64) -> UInt64 {
    if maximum == 0 { return 0 }
    let mask = UInt64.max >> UInt64(maximum.leadingZeroBitCount)
    while true {
      let value =
        (maximum <= UInt64(UInt32.max) ? UInt64(nextUInt32()) : nextUInt64()) & mask
      if value <= maximum { return value }
    }
  }
}

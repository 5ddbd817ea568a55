import Glibc

extension CountedRandom {
  /// `count` standard normal numbers. Every two words of the stream give two numbers, by the radius
  /// sqrt(-2 ln u) and the angle 2 pi v (Box and Muller, 1958).
  public func standardNormals(_ count: Int) -> [Double] {
    var normals: [Double] = []
    normals.reserveCapacity(count + 3)
    for index in 0..<(count + 3) / 4 {
      let words = block(UInt64(index))
      for pair in [0, 2] {
        // Adds half a step, so that the argument of the logarithm is never 0.
        let radius = (-2 * log((Double(words[pair]) + 0.5) * 0x1p-32)).squareRoot()
        let angle = 2 * Double.pi * Double(words[pair + 1]) * 0x1p-32
        normals += [radius * cos(angle), radius * sin(angle)]
      }
    }
    return Array(normals.prefix(count))
  }
}

import Glibc
import System
import Tensors

/// Random changes of training samples, different in every epoch. They are a function of (seed,
/// epoch, sample), so a sample is changed in the same way on any rank.
package struct Augmentation: Sendable, Equatable {
  /// The largest shift along both axes, in whole pixels.
  package var shift: Int
  /// The largest rotation about the center, in degrees in both directions.
  package var rotate: Double
  /// Whether to flip left and right, with probability 1/2.
  package var flip: Bool
  /// The standard deviation of normal noise, which is added to the network's input.
  package var noise: Double

  package init(shift: Int = 0, rotate: Double = 0, flip: Bool = false, noise: Double = 0) {
    self.shift = shift
    self.rotate = rotate
    self.flip = flip
    self.noise = noise
  }

  package var isNone: Bool { self == Augmentation() }
  /// Whether it moves pixels, which is possible only for images.
  package var isGeometric: Bool { shift > 0 || rotate > 0 || flip }

  /// Shifts, rotates and flips an image. Pixels from outside the image are 0. Rotated images are
  /// sampled bilinearly.
  /// - Parameter image: [channels, height, width], which is changed.
  func transform(
    _ image: UnsafeMutablePointer<Float>, channels: Int, height: Int, width: Int,
    random: CountedRandom
  ) {
    let words = random.block(0)
    func unit(_ index: Int) -> Double { Double(words[index]) * 0x1p-32 }
    let down = Int(unit(0) * Double(2 * shift + 1)) - shift
    let right = Int(unit(1) * Double(2 * shift + 1)) - shift
    let angle = (2 * unit(2) - 1) * rotate * .pi / 180
    let isFlipped = flip && words[3] & 1 == 1
    if down == 0 && right == 0 && angle == 0 && !isFlipped { return }

    let (sine, cosine) = (Float(sin(angle)), Float(cos(angle)))
    let (middleY, middleX) = (Float(height - 1) / 2, Float(width - 1) / 2)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: height * width) { copy in
      for channel in 0..<channels {
        let plane = image + channel * height * width
        copy.baseAddress!.update(from: plane, count: height * width)
        func pixel(_ y: Int, _ x: Int) -> Float {
          y >= 0 && y < height && x >= 0 && x < width ? copy[y * width + x] : 0
        }
        for row in 0..<height {
          for column in 0..<width {
            // The source position of this pixel: the inverse of the shift, the flip and the
            // rotation.
            let y = row - down
            let x = isFlipped ? width - 1 - (column - right) : column - right
            let place = plane + row * width + column
            if angle == 0 {
              place.pointee = pixel(y, x)
              continue
            }
            let (fromMiddleY, fromMiddleX) = (Float(y) - middleY, Float(x) - middleX)
            let sourceY = middleY + cosine * fromMiddleY - sine * fromMiddleX
            let sourceX = middleX + sine * fromMiddleY + cosine * fromMiddleX
            let (top, left) = (sourceY.rounded(.down), sourceX.rounded(.down))
            let (partY, partX) = (sourceY - top, sourceX - left)
            let (y0, x0) = (Int(top), Int(left))
            place.pointee =
              (1 - partY) * ((1 - partX) * pixel(y0, x0) + partX * pixel(y0, x0 + 1))
              + partY * ((1 - partX) * pixel(y0 + 1, x0) + partX * pixel(y0 + 1, x0 + 1))
          }
        }
      }
    }
  }
}

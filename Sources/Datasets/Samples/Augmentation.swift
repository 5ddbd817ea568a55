import Glibc
import System
import Tensors

/// Random changes of a training sample, new in every epoch: a function of (seed, epoch, sample), so
/// that the same sample of the same epoch is changed alike on any rank.
package struct Augmentation: Sendable, Equatable {
  /// Up to so many pixels along both axes, whole ones.
  package var shift: Int
  /// Up to so many degrees either way, about the middle.
  package var rotate: Double
  /// Left and right, of every other sample.
  package var flip: Bool
  /// Standard deviation of normal noise, added to what the network sees.
  package var noise: Double

  package init(shift: Int = 0, rotate: Double = 0, flip: Bool = false, noise: Double = 0) {
    self.shift = shift
    self.rotate = rotate
    self.flip = flip
    self.noise = noise
  }

  package var isNone: Bool { self == Augmentation() }
  /// Whether it moves pixels, which only images have.
  package var isGeometric: Bool { shift > 0 || rotate > 0 || flip }

  /// Shifts, turns and flips an image; what comes in from outside is 0. Turned images are sampled
  /// bilinearly.
  /// - image: [channels, height, width].
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
            // Where in the original this pixel comes from: back through shift, flip and turn.
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

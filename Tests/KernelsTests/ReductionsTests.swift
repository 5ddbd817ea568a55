import CKernels
import Kernels
import Tensors
import TestSupport
import Testing

struct ReductionsTests {
  private static let sizes = Array(0...70) + [255, 256, 257, 1000, 10_001]

  /// n additions in double, in any order, are wrong by at most n 2^-53 times the sum of magnitudes.
  @Test func sumsAreDoubleSums() {
    for count in Self.sizes {
      var draws = Draws(case: count)
      let x = draws.floats(count).map { $0 * Float(1 << draws.int(0...20)) }
      let (exact, magnitude) = x.reduce((0.0, 0.0)) { ($0.0 + Double($1), $0.1 + abs(Double($1))) }
      let tensor = unaligned(x, by: count % 17)
      let roundoff = Double(2 * count) * 0x1p-53
      #expect(
        abs(nd_sum(tensor.pointer(Float.self), count) - exact) <= roundoff * magnitude, "\(draws)")
      #expect(sum(tensor).item() == Double(Float(nd_sum(x, count))), "\(draws)")
      let squares = x.reduce(0.0) { $0 + Double($1) * Double($1) }
      #expect(
        abs(nd_sum_of_squares(tensor.pointer(Float.self), count) - squares) <= roundoff * squares,
        "\(draws)")
    }
    #expect(nd_sum([1, 1e8, 1, -1e8], 4) == 2)  // in float32 it would be 0
    #expect(nd_sum_of_squares([3, 1e30], 2).isFinite)
  }

  @Test func sumsBitsDoNotDependOnAlignment() {
    var draws = Draws(case: 0)
    let x = draws.floats(1003)
    for offset in 1...17 {
      let moved = unaligned(x, by: offset)
      #expect(nd_sum(moved.pointer(Float.self), x.count) == nd_sum(x, x.count))
      #expect(
        nd_sum_of_squares(moved.pointer(Float.self), x.count) == nd_sum_of_squares(x, x.count))
    }
  }

  /// Columns are added in the order of the rows, so there is one right answer.
  @Test func columnSumsMatchTheReferenceBitForBit() {
    for number in 0..<RandomCases.columnSums {
      var draws = Draws(case: number)
      let (rows, columns) = (draws.int(0...40), draws.int(0...70))
      var x = draws.floats(rows * columns)
      let tensor = draws.laidOut(x, shape: [rows, columns])
      var expected = [Float](repeating: .nan, count: columns)
      x.withUnsafeMutableBufferPointer { x in
        expected.withUnsafeMutableBufferPointer { Reference.columnSums(x, $0) }
      }
      #expect(columnSums(tensor).bits == expected.bits, "\(rows) x \(columns), \(draws)")
      let destination = Guarded([columns], at: number % 16)
      #expect(columnSums(tensor, into: destination.tensor).bits == expected.bits, "\(draws)")
      #expect(destination.guardsAreIntact, "\(draws)")
    }
  }

  @Test func oneNonfiniteNumberIsFoundAnywhere() {
    let bad: [Float] = [.nan, .signalingNaN, .infinity, -.infinity, Float(bitPattern: 0xffff_ffff)]
    let good: [Float] = [
      0, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, 1,
    ]
    for count in 0...100 {
      var draws = Draws(case: count)
      let x = (0..<count).map { _ in draws.pick(good) }
      #expect(nd_all_finite(x, count) == 1)
      for place in 0..<count {
        var x = x
        for value in bad {
          x[place] = value
          if nd_all_finite(x, count) != 0 {
            Issue.record("\(value) at \(place) of \(count) was not found")
            return
          }
        }
        // After the end it is ignored.
        if place == count - 1 { #expect(nd_all_finite(x, count - 1) == 1) }
      }
    }
  }

  @Test func anyFlippedBitChangesTheHash() {
    for count in Array(0...70) + [96, 127, 128, 129] {
      var draws = Draws(case: count)
      var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: draws.word()) }
      let hash = nd_hash(bytes, count)
      #expect(nd_hash(bytes, count) == hash)
      for bit in 0..<8 * count {
        bytes[bit / 8] ^= 1 << (bit % 8)
        if nd_hash(bytes, count) == hash {
          Issue.record("bit \(bit) of \(count) bytes does not matter")
          return
        }
        bytes[bit / 8] ^= 1 << (bit % 8)
      }
    }
  }

  @Test func anyOtherWordChangesTheHash() {
    for number in 0..<2000 {
      var draws = Draws(case: number)
      var words = (0..<draws.int(1...20)).map { _ in draws.word() }
      let hash = nd_hash(words, 8 * words.count)
      words[draws.int(0...words.count - 1)] ^= draws.word() | 1
      #expect(nd_hash(words, 8 * words.count) != hash, "\(draws)")
    }
  }

  @Test func hashDependsOnLengthAndOrder() {
    let zeros = [UInt8](repeating: 0, count: 100)
    #expect(Set((0...100).map { nd_hash(zeros, $0) }).count == 101)
    let words = (0..<16).map { UInt64($0) &* 0x9E37_79B9_7F4A_7C15 }
    let hash = nd_hash(words, 128)
    for i in 0..<16 {
      for j in 0..<i {
        var swapped = words
        swapped.swapAt(i, j)
        #expect(nd_hash(swapped, 128) != hash)
      }
    }
  }

  @Test func hashOfPiecesMatchesHashOfTheWhole() {
    for number in 0..<500 {
      var draws = Draws(case: number)
      let bytes = (0..<draws.int(0...300)).map { _ in UInt8(truncatingIfNeeded: draws.word()) }
      var state = nd_hash_state()
      nd_hash_begin(&state)
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = Array(rest.prefix(draws.int(0...70)))
        nd_hash_update(&state, piece, piece.count)
        rest = rest.dropFirst(piece.count)
      }
      #expect(nd_hash_end(&state) == nd_hash(bytes, bytes.count), "\(draws)")
    }
  }

  /// A replica's arena is aligned, but its copy in a checkpoint may not be.
  @Test func theHashDoesNotDependOnAlignment() {
    var draws = Draws(case: 1)
    let bytes = (0..<101).map { _ in UInt8(truncatingIfNeeded: draws.word()) }
    for offset in 0..<16 {
      let moved = [UInt8](repeating: 1, count: offset) + bytes + [9]
      let hash = moved.withUnsafeBytes { nd_hash($0.baseAddress! + offset, 101) }
      #expect(hash == nd_hash(bytes, 101))
    }
  }
}

import System
import Tensors
import TestSupport
import Testing

struct CountedRandomTests {
  /// Random123 1.14, tests/kat_vectors, "philox4x32 10".
  @Test func philoxGivesRandom123sKnownAnswers() {
    #expect(
      CountedRandom.philox(counter: [0, 0, 0, 0], key: [0, 0])
        == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    let ones = UInt32.max
    #expect(
      CountedRandom.philox(counter: [ones, ones, ones, ones], key: [ones, ones])
        == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    #expect(
      CountedRandom.philox(
        counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        key: [0xa409_3822, 0x299f_31d0])
        == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }

  private struct Case: Decodable {
    let seed, purpose, stream: String
    let numbers: [Int]
    let block0, blockFar: [UInt32]
    let uniform: [Float]
    let permutation10, permutation257: [Int32]
  }

  /// Golden/philox.py computes the same from the definitions, in Python.
  @Test func numbersAreThoseOfAnotherImplementation() throws {
    let cases = try golden("philox.json", as: [Case].self)
    #expect(cases.count == 6)
    for known in cases {
      let random =
        switch known.numbers.count {
        case 0: CountedRandom(seed: UInt64(known.seed)!, purpose: known.purpose)
        case 1: CountedRandom(seed: UInt64(known.seed)!, purpose: known.purpose, known.numbers[0])
        default:
          CountedRandom(
            seed: UInt64(known.seed)!, purpose: known.purpose, known.numbers[0], known.numbers[1])
        }
      #expect(String(random.stream) == known.stream)
      #expect(random.block(0) == SIMD4(known.block0))
      #expect(random.block(5 + 3 << 32) == SIMD4(known.blockFar))
      #expect((0..<known.uniform.count).map { random.uniform($0) } == known.uniform)
      #expect(random.permutation(10) == known.permutation10)
      #expect(random.permutation(257) == known.permutation257)
    }
  }

  @Test(arguments: [0, 1, 2, 3, 4, 5, 63, 64, 1000, 60000])
  func permutationHoldsEveryIndexOnce(count: Int) {
    for epoch in 0..<3 {
      let order = CountedRandom(seed: 9, purpose: "permutation", epoch, 0).permutation(count)
      #expect(order.sorted() == Array(0..<Int32(count)))
    }
  }

  @Test func permutationsDifferByEpochShardSeedAndPurpose() {
    let orders = [
      CountedRandom(seed: 1, purpose: "permutation", 1, 0),
      CountedRandom(seed: 1, purpose: "permutation", 2, 0),
      CountedRandom(seed: 1, purpose: "permutation", 1, 1),
      CountedRandom(seed: 1, purpose: "permutation", 0, 1),
      CountedRandom(seed: 2, purpose: "permutation", 1, 0),
      CountedRandom(seed: 1, purpose: "augmentation", 1, 0),
    ].map { $0.permutation(100) }
    #expect(Set(orders).count == orders.count)
    #expect(orders[0] == CountedRandom(seed: 1, purpose: "permutation", 1, 0).permutation(100))
  }

  /// Chi-squared with 23 degrees of freedom exceeds 60 once in 30,000 seeds; this one is fixed.
  @Test func everyPermutationOfFourIsAsLikely() {
    var counts: [[Int32]: Int] = [:]
    let rounds = 24_000
    for epoch in 0..<rounds {
      counts[CountedRandom(seed: 3, purpose: "permutation", epoch).permutation(4), default: 0] += 1
    }
    let expected = Double(rounds) / 24
    let chiSquared = counts.values.reduce(0) {
      $0 + (Double($1) - expected) * (Double($1) - expected) / expected
    }
    #expect(counts.count == 24)
    #expect(chiSquared < 60)
  }

  /// Of 10^6 numbers the mean is off 1/2 by 5 standard deviations, sqrt(1/12 / 10^6), at most, and
  /// the variance off 1/12 by 5 of sqrt(1/180 / 10^6).
  @Test func uniformNumbersHaveTheMeanAndVarianceOfTheirRange() {
    let random = CountedRandom(seed: 5, purpose: "test")
    let count = 1_000_000
    var (sum, squares, lowest, highest) = (0.0, 0.0, Float(1), Float(0))
    for i in 0..<count {
      let x = random.uniform(i)
      sum += Double(x) - 0.5
      squares += (Double(x) - 0.5) * (Double(x) - 0.5)
      lowest = min(lowest, x)
      highest = max(highest, x)
    }
    #expect(abs(sum / Double(count)) < 5 * 0.000289)
    #expect(abs(squares / Double(count) - 1.0 / 12) < 5 * 0.0000746)
    #expect(lowest >= 0 && lowest < 1e-4)
    #expect(highest < 1 && highest > 1 - 1e-4)
  }

  @Test func purposeAndNumbersDoNotRunTogether() {
    let streams = [
      CountedRandom(seed: 0, purpose: "a1", 2), CountedRandom(seed: 0, purpose: "a", 12),
      CountedRandom(seed: 0, purpose: "a", 1, 2), CountedRandom(seed: 0, purpose: "a", 2, 1),
      CountedRandom(seed: 0, purpose: "a", 2), CountedRandom(seed: 0, purpose: "a"),
      CountedRandom(seed: 0, purpose: "a", 0), CountedRandom(seed: 0, purpose: "a", 0, 0),
      CountedRandom(seed: 0, purpose: "a", 256), CountedRandom(seed: 0, purpose: "a", -1),
    ].map(\.stream)
    #expect(Set(streams).count == streams.count)
  }
}

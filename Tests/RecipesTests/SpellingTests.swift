import Recipes
import Tensors
import Testing

@Suite struct SpellingTests {
  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("", "abc", 3), ("abc", "abc", 0), ("abc", "abd", 1),
    ("abc", "ac", 1),
    ("abc", "acb", 1), ("abcd", "badc", 2), ("kitten", "sitting", 3), ("epochs", "epoch", 1),
    ("ca", "abc", 3), ("ä", "a", 1),
  ])
  func distancesByHand(a: String, b: String, distance: Int) {
    #expect(Spelling.distance(a, b) == distance)
    #expect(Spelling.distance(b, a) == distance)
  }

  /// Few enough letters that they often meet. d(a, b) = 0 only for equals, never above the longer
  /// length, never below the difference, and one edit is 1.
  @Test func distancesAreConsistentOnRandomWords() {
    let random = CountedRandom(seed: 7, purpose: "words")
    func word(_ n: Int) -> String {
      let block = random.block(UInt64(n))
      return String(
        (0..<Int(block[0] % 7)).map { Array("abc")[Int(block[1] >> (4 * UInt32($0))) % 3] })
    }
    for n in 0..<2000 {
      let (a, b) = (word(2 * n), word(2 * n + 1))
      let distance = Spelling.distance(a, b)
      #expect(distance == Spelling.distance(b, a))
      #expect((distance == 0) == (a == b))
      #expect(distance <= max(a.count, b.count) && distance >= abs(a.count - b.count))
      #expect(Spelling.distance(a, a + "x") == 1)
    }
  }

  @Test func whatIsTooFarIsNotMeant() {
    let keys = ["epochs", "batch_size", "lr", "seed"]
    #expect(Spelling.nearest(to: "epoch", among: keys) == "epochs")
    #expect(Spelling.nearest(to: "Batch-Size", among: keys) == "batch_size")
    #expect(Spelling.nearest(to: "batchsize", among: keys) == "batch_size")
    #expect(Spelling.nearest(to: "momentum", among: keys) == nil)
    #expect(Spelling.nearest(to: "x", among: []) == nil)
  }
}

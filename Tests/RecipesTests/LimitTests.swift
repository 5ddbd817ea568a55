import Recipes
import System
import TestSupport
import Testing

/// Row 47: whatever a recipe holds is read, or refused by one line, in little time.
@Suite struct LimitTests {
  private func refused(
    _ yaml: String, _ parts: String..., at location: SourceLocation = #_sourceLocation
  ) {
    let failure = #expect(throws: Failure.self, sourceLocation: location) {
      _ = try RecipeText(yaml, source: "my.yaml").recipe()
    }
    guard let failure else { return }
    #expect(failure.status == .usage, sourceLocation: location)
    for part in parts {
      #expect(failure.message.contains(part), "\(failure)", sourceLocation: location)
    }
  }

  private func repeated(_ text: String, _ count: Int) -> String {
    String(repeating: text, count: count)
  }

  /// Nine lines for a billion values, three for a billion in a key.
  @Test(.timeLimit(.minutes(1))) func aliasesThatMultiplyAreRefusedAtTheirLine() {
    var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      bomb +=
        "a\(level): &a\(level) [" + (0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ", ")
      bomb += "]\n"
    }
    refused(bomb, "my.yaml:6: more than the 200000 values that are read, with those that aliases")
    refused(bomb + "? *a9\n: 1\n", "my.yaml:6: more than the 200000 values")
  }

  @Test(.timeLimit(.minutes(1))) func nestingIsFollowedForSixtyFourLevels() {
    func nested(_ levels: Int) -> String {
      "a: " + repeated("[", levels) + "x" + repeated("]", levels)
    }
    refused(nested(63), "my.yaml:1: name: this key is missing")
    refused(nested(64), "my.yaml:1: nested deeper than 64 levels")
    for deep in [
      nested(100_000), repeated("[", 100_000), repeated("- ", 100_000) + "x",
      repeated("? ", 100_000),
      repeated("{a: ", 100_000), (0..<1000).map { repeated(" ", $0) + "a:\n" }.joined(),
      (0..<200).reduce("a: &a0 x\n") { $0 + "b\($1): &a\($1 + 1) [*a\($1)]\n" },
    ] { refused(deep) }
  }

  @Test(.timeLimit(.minutes(1))) func longTextsAreRefusedInOneShortLine() {
    let long = repeated("x", 1_000_000)
    for yaml in [
      "name: " + long, long + ": 1", "name: a\n" + long + ": 1", "? " + long,
      "name: \"" + long + "\"",
      "batch_size: " + repeated("1", 1_000_000), "epochs: " + repeated("1_", 1_000_000),
      "optimizer: {kind: \(long)}", "data: {dataset: \(long)}", "- " + long, "&\(long) a: 1",
      "*" + long,
      "!\(long) a: 1", repeated("1:", 1_000_000), "a: |\n" + repeated(" x\n", 300_000),
    ] {
      let failure = #expect(throws: Failure.self) {
        _ = try RecipeText(yaml, source: "my.yaml").recipe()
      }
      #expect(failure.map { $0.status == .usage && $0.description.utf8.count < 20_000 } ?? false)
    }
    refused(repeated("#\n", 3_000_000), "my.yaml:1: more than the 4194304 bytes that are read")
    refused(repeated("- x\n", 300_000), "more than the 200000 values")
    refused("a: [" + repeated("x,", 300_000) + "]", "more than the 200000 values")
  }

  @Test func keysTwiceAndBytesThatAreNoTextAreRefused() {
    refused("name: a\nname: b\n", "my.yaml:1: name stands there twice")
    refused("name: a\n\"name\": b\n", "stands there twice")
    refused("data: {dataset: rings, dataset: rings}", "dataset stands there twice")
    refused("name: a\u{0}b\n", "my.yaml:1: control characters are not allowed")
    refused("name: a\n---\nname: b\n", "my.yaml:2")
  }

  /// What --set takes is YAML too.
  @Test func settingsHaveTheSameLimits() throws {
    var text = try #require(BuiltInRecipe.named("fashion-mnist")).text
    expectFailure(.usage, "--set epochs: ") { try text.set("epochs", to: repeated("[", 1000)) }
    expectFailure(.usage, "--set epochs: ") {
      try text.set("epochs", to: repeated("[", 66) + repeated("]", 66))
    }
  }
}

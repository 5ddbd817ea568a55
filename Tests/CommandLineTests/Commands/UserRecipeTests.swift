import Foundation
import System
import TestSupport
import Testing

import func System.fixed
// Training has an Outcome too.
import struct TestSupport.Outcome

/// A new user's recipe and data, from training to predictions (issue 4, point 4).
@Suite struct UserRecipeTests {
  let jobs = Jobs()

  init() throws {
    jobs.writePets()
    let outcome = try jobs.command(["pets.yaml", "--run", "run"])
    try #require(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
  }

  /// Output of a command that must succeed.
  private func output(_ arguments: String...) throws -> Outcome {
    let outcome = try jobs.command(arguments)
    try #require(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    return outcome
  }

  /// Every figure of `eval`, from the labels that `predict` gives.
  @Test func evaluationCountsWhatIsPredicted() throws {
    let rows = try Jobs.table(output("predict", "run")).dropFirst()
    try #require(rows.count == 41 && rows.first?.count == 5)
    func count(_ actual: String?, _ label: String?) -> Int {
      rows.count { (actual ?? $0[1]) == $0[1] && (label ?? $0[2]) == $0[2] }
    }
    let right = count("cat", "cat") + count("dog", "dog")
    try #require(right > 20 && right < 41, "nothing to tell apart")
    let p = Double(right) / 41
    func percent(_ part: Int, _ whole: Int) -> String {
      fixed(100 * Double(part) / Double(whole), 1) + " %"
    }
    let words = try output("eval", "run").stdout.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
    let error = fixed(100 * (p * (1 - p) / 41).squareRoot(), 2)
    #expect(words[0] == "run/checkpoints/latest: pets after 21 steps")
    #expect(
      words[1]
        == "validation accuracy \(fixed(100 * p, 2)) % (\(right) of 41), standard error \(error) points"
    )
    #expect(words[2].hasPrefix("validation loss "))
    #expect(words[3] == "class precision recall")
    for (index, name) in ["cat", "dog"].enumerated() {
      let own = count(name, name)
      let (precision, recall) = (percent(own, count(nil, name)), percent(own, count(name, nil)))
      #expect(words[4 + index] == "\(name) \(precision) \(recall)")
      #expect(words[7 + index] == "\(name) \(count(name, "cat")) \(count(name, "dog"))")
    }
    #expect(words[6] == "actual \\ predicted cat dog")
  }

  @Test func newSamplesGetLabelsByName() throws {
    jobs.folder.write("new.csv", Jobs.pets(30, columns: ["weight", "height", "mood"], seed: 2))
    let table = try Jobs.table(output("predict", "run", "--input", "new.csv"))
    try #require(table.count == 31 && table[0] == ["sample", "label", "p(cat)", "p(dog)"])
    for (index, row) in table.dropFirst().enumerated() {
      let (cat, dog) = (try #require(Double(row[2])), try #require(Double(row[3])))
      #expect(row[0] == "\(index)" && row[1] == (cat >= dog ? "cat" : "dog"))
      // Four digits each.
      #expect(abs(cat + dog - 1) < 1.5e-4)
    }
    #expect(Set(table.dropFirst().map { $0[1] }) == ["cat", "dog"])

    // By their names, whatever else is there and in which order.
    let mixed = Jobs.pets(30, columns: ["kind", "mood", "height", "weight"], seed: 2)
    jobs.folder.write("mixed.csv", mixed)
    #expect(try Jobs.table(output("predict", "run", "--input", "mixed.csv")) == table)
    // Without names in their order.
    let bare = Jobs.pets(30, columns: ["weight", "height", "mood"], seed: 2)
    jobs.folder.write("bare.csv", bare.split(separator: "\n").dropFirst().joined(separator: "\n"))
    #expect(try Jobs.table(output("predict", "run", "--input", "bare.csv")) == table)
    try #require(
      try jobs.command(["predict", "run", "--input", "new.csv", "--output", "o.csv"]).status == 0)
    let kept = String(decoding: contents(jobs.path("o.csv")), as: UTF8.self)
    #expect(kept == (try output("predict", "run", "--input", "new.csv")).stdout)
  }

  @Test func newSamplesThatDoNotFitAreNamed() throws {
    jobs.folder.write("a.csv", "weight,height\n1,2\n")
    expectError(
      try jobs.command(["predict", "run", "--input", "a.csv"]), 65,
      "a.csv has no column \"mood\"; it has \"weight\", \"height\"", "name its columns as")
    jobs.folder.write("b.csv", "weight,height,mood\n1,2,3\n1,,3\n")
    expectError(
      try jobs.command(["predict", "run", "--input", "b.csv"]), 65, "b.csv:3: column \"height\"")
    jobs.folder.write("c.npy", npy([2, 4], [Float](repeating: 0, count: 8)))
    expectError(
      try jobs.command(["predict", "run", "--input", "c.npy"]), 65,
      "c.npy: its samples are [4], the network takes [3]")
    expectError(
      try jobs.command(["predict", "run", "--input", "d.csv", "--misclassified"]), 64,
      "--misclassified needs targets, which --input has not")
  }

  @Test func misclassifiedAreTheWrongOnesWithTheirIndex() throws {
    for split in ["train", "validation"] {
      let all = try Jobs.table(output("predict", "run", "--split", split))
      let wrong = try Jobs.table(output("predict", "run", "--split", split, "--misclassified"))
      try #require(all[0] == ["sample", "actual", "label", "p(cat)", "p(dog)"])
      #expect(wrong == [all[0]] + all.dropFirst().filter { $0[1] != $0[2] })
      #expect(wrong.count > 1 && wrong.count < all.count, "nothing to tell apart")
      #expect(all.dropFirst().map { $0[0] } == (0..<all.count - 1).map(String.init))
    }
  }

  /// The recipe of the run says in full where the data lie.
  @Test func movedRunStillEvaluates() throws {
    let before = try output("eval", "run").stdout.split(separator: "\n").dropFirst()
    try #require(try run(["mkdir", jobs.path("elsewhere")]).status == 0)
    try #require(try run(["mv", jobs.path("run"), jobs.path("elsewhere/mine")]).status == 0)
    for path in ["mine", "mine/checkpoints/latest", "mine/checkpoints/step-00000021"] {
      let outcome = try run(["env", "-C", jobs.path("elsewhere"), nndist, "eval", path])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.stdout.split(separator: "\n").dropFirst() == before, "\(outcome)")
    }
    let resumed = try run([
      "env", "-C", jobs.path("elsewhere"), nndist, "--resume", "--run", "mine", "--epochs", "4",
    ])
    #expect(resumed.status == 0 && resumed.stdout.contains("step 28 of 28"), "\(resumed)")
  }

  @Test func dataThatAreMadeHaveNoFolder() throws {
    for arguments in [["wave", "--data", "x"], ["trend-rnn", "--data", jobs.data]] {
      expectError(
        try jobs.command(arguments + ["--run", "none"]), 64,
        "recipe \(arguments[0]) makes its data (\(arguments[0].prefix(5))): there is no folder to name",
        "| leave --data away")
    }
    #expect(!FileManager.default.fileExists(atPath: jobs.path("none")))
    _ = try output("parabola-descent", "--run", "made")
    expectError(
      try jobs.command(["eval", "made", "--data", "x"]), 64, "made/recipe.yaml makes its data")
  }

  @Test func oneSampleIsOneSample() throws {
    let outcome = try output("parabola-descent", "--run", "one", "--epochs", "1")
    #expect(
      outcome.stdout.hasPrefix(
        "parabola-descent: 1 parameter, 1 sample, batch 1, 1 epoch of 1 step; 1 rank x "),
      "\(outcome)")
    #expect(
      try output("eval", "one").stdout.hasPrefix(
        "one/checkpoints/latest: parabola-descent after 1 step\n"))
  }
}

/// The same from NumPy's files and from pictures.
@Suite struct UserFormatTests {
  let jobs = Jobs()

  private func recipe(_ data: String, inputs: Int) -> String {
    """
    name: mine
    data: \(data)
    model:
      layers:
        - layer: Flatten
        - {layer: Linear, in_features: \(inputs), out_features: 8}
        - layer: Tanh
        - {layer: Linear, in_features: 8, out_features: 3}
    loss: cross-entropy
    optimizer: {kind: adam, lr: 0.05}
    batch_size: 10
    epochs: 8
    """
  }

  /// Trains, and expects that most test samples are right and that `input` gets as many lines as it
  /// has samples, most of `label`.
  private func expectLearned(
    _ recipe: String, tests: Int, input: (file: String, label: String, samples: Int),
    at location: SourceLocation = #_sourceLocation
  ) throws {
    jobs.folder.write("mine.yaml", recipe)
    let trained = try jobs.command(["mine.yaml", "--run", "run"], ranks: 2)
    try #require(trained.status == 0, "\(trained)", sourceLocation: location)
    let evaluated = try jobs.command(["eval", "run"])
    let match = try #require(
      try /test accuracy [0-9.]+ % \((\d+) of (\d+)\)/.firstMatch(in: evaluated.stdout),
      "\(evaluated)", sourceLocation: location)
    #expect(match.2 == "\(tests)", "\(evaluated)", sourceLocation: location)
    #expect(3 * Int(match.1)! > 2 * tests, "\(evaluated)", sourceLocation: location)
    let predicted = try jobs.command(["predict", "run", "--input", input.file])
    let labels = try Jobs.table(predicted).dropFirst().map { $0[1] }
    #expect(labels.count == input.samples, "\(predicted)", sourceLocation: location)
    #expect(
      3 * labels.count { $0 == input.label } >= 2 * input.samples, "\(predicted)",
      sourceLocation: location)
  }

  /// [count, 2, 2], of which place c is large in class c.
  private func arrays(_ count: Int) -> (x: [UInt8], y: [UInt8], ofClassTwo: [UInt8]) {
    var values = noise(4 * count).map { Float($0) / 128 }
    for sample in 0..<count { values[4 * sample + sample % 3] += 4 }
    var two: [Float] = []
    for sample in stride(from: 2, to: count, by: 3) { two += values[4 * sample..<4 * sample + 4] }
    let classes = (0..<count).map { Float($0 % 3) }
    return (
      npy([count, 2, 2], values), npy([count], classes),
      npy([two.count / 4, 2, 2], two)
    )
  }

  @Test func numPysArrays() throws {
    let (x, y, two) = arrays(120)
    jobs.folder.write("x.npy", x)
    jobs.folder.write("y.npy", y)
    jobs.folder.write("two.npy", two)
    try expectLearned(
      recipe("{dataset: npy, path: x.npy, targets_path: y.npy, split: {test: 0.25}}", inputs: 4),
      tests: 30, input: ("two.npy", "2", 40))
  }

  @Test func numPysArchives() throws {
    let (x, y, two) = arrays(120)
    jobs.folder.write("both.npz", zip([("images.npy", x), ("labels.npy", y)]))
    jobs.folder.write("two.npz", zip([("images.npy", two)]))
    try expectLearned(
      recipe(
        "{dataset: npy, path: both.npz, inputs: images, targets: labels, split: {test: 0.25}}",
        inputs: 4), tests: 30, input: ("two.npz", "2", 40))
  }

  /// Pictures of 6 x 4, bright in their class's row.
  @Test func foldersOfPictures() throws {
    let names = ["hearts", "moons", "stars"]
    for (split, count) in [("train", 20), ("test", 7)] {
      for (row, name) in names.enumerated() {
        for number in 0..<count {
          var pixels = noise(24, seed: UInt64(number + count)).map { $0 / 4 }
          for column in 0..<6 { pixels[6 * row + column] += 150 }
          jobs.folder.write(
            "pictures/\(split)/\(name)/\(number).png", png(width: 6, height: 4, pixels))
        }
      }
    }
    try expectLearned(
      recipe("{dataset: images, path: pictures}", inputs: 24), tests: 21,
      input: ("pictures/test/moons/3.png", "moons", 1))
    let evaluated = try jobs.command(["eval", "run"])
    #expect(evaluated.stdout.contains("actual \\ predicted  hearts  moons  stars"), "\(evaluated)")
  }
}

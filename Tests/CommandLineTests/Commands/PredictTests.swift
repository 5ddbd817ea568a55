import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome
import enum Training.Safetensors

/// `nndist predict` of series, pictures, layers and sequences.
@Suite struct PredictTests {
  let jobs = Jobs()

  private func output(_ arguments: [String]) throws -> Outcome {
    let outcome = try jobs.command(arguments)
    try #require(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    return outcome
  }

  /// A short series; 59 pairs, of which 41 are trained on and 18 are the test split.
  private func trainTrend(_ more: String...) throws {
    _ = try output(
      ["trend-rnn", "--run", "run", "--epochs", "40", "--eval-every", "0", "--set"]
        + ["data.length=60"] + more.flatMap { ["--set", $0] })
  }

  @Test func forecastRunsFreeBesideTeacherForcing() throws {
    try trainTrend("data.standardize=all", "data.standardize_target=true")
    let table = try Jobs.table(output(["predict", "run", "--forecast", "12"]))
    try #require(table[0] == ["series", "step", "actual", "teacher_forced", "free_running"])
    let rows = Array(table.dropFirst())
    try #require(rows.count == 12)
    // The second half of 18 points, and two behind the end.
    #expect(rows.map { $0[0] } == [String](repeating: "0", count: 12))
    #expect(rows.map { $0[1] } == (9...20).map(String.init))
    #expect(rows.map { $0[2].isEmpty } == (9...20).map { $0 > 18 })
    #expect(rows.map { $0[3].isEmpty } == (9...20).map { $0 > 18 })
    // Told the truth up to here, both say the same; then they part.
    #expect(rows[0][3] == rows[0][4])
    #expect(rows[1..<10].allSatisfy { $0[3] != $0[4] })
    // The series is a line of slope 3, in its own units; float32 near 200 has steps of 2e-5.
    let actual = rows.prefix(10).map { Double($0[2])! }
    for (a, b) in zip(actual, actual.dropFirst()) { #expect(abs(b - a - 3) < 1e-3) }
    // Where test begins: 4 + 3 t at t = 41 + 9, and one noise for all.
    #expect(abs(actual[0] - (4 + 3 * 50)) < 1)
    // The plain output is the same, in the same units.
    let plain = try Jobs.table(output(["predict", "run"]))
    try #require(plain.count == 2 && plain[1].count == 19)
    #expect(Array(plain[1][9...]) == rows.prefix(10).map { $0[3] })
    #expect(rows.prefix(10).allSatisfy { abs(Double($0[3])! - 150) < 150 }, "not in their units")
  }

  @Test func forecastWithoutStandardization() throws {
    try trainTrend()
    let rows = try Jobs.table(output(["predict", "run", "--forecast", "3", "--split", "train"]))
    try #require(rows.count == 4 && rows[0].count == 5)
    #expect(rows[1][1] == "20" && rows[1][3] == rows[1][4])
  }

  @Test func forecastOfWhatIsNoSeriesIsRefused() throws {
    jobs.writePets()
    _ = try output(["pets.yaml", "--run", "run", "--epochs", "1"])
    expectError(
      try jobs.command(["predict", "run", "--forecast", "3"]), 64,
      "--forecast: pets's network is no recurrent network over series")
    for (more, part) in [
      (["--forecast", "0"], "--forecast 0 is not allowed"),
      (["--forecast", "1", "--layer", "0"], "give one of --misclassified, --forecast and --layer"),
      (["--output", "x.txt"], "--output x.txt: its name must end in .npy or .csv"),
      (["--layer", "9"], "the network has no layer 9 | choose from 0, 1, 2, 3, 4"),
    ] {
      expectError(try jobs.command(["predict", "run"] + more), 64, part)
    }
    _ = try output(["parabola-fit", "--run", "fit"])
    expectError(
      try jobs.command(["predict", "fit", "--misclassified"]), 64,
      "--misclassified: parabola-fit has no classes")
  }

  /// The mean squared distance of the array to the pictures is the loss that `eval` gives.
  @Test(arguments: ["mnist-autoencoder", "digits-rnn-autoencoder", "mnist-conv-autoencoder"])
  func reconstructionIsWhatEvaluationMeasures(name: String) throws {
    let draws = name.contains("conv") ? [] : ["--set", "data.sample=null"]
    _ = try output(
      [name, "--data", jobs.data, "--run", "run", "--max-steps", "3", "--eval-every", "0"] + draws)
    let said = try output(["predict", "run", "--output", "out.npy"])
    #expect(said.stdout == "out.npy: float32 [57, 1, 28, 28]\n")
    let (shape, values) = readNPY(jobs.path("out.npy"))
    #expect(shape == [57, 1, 28, 28])
    let pixels = contents(jobs.data + "/" + testImagesName).dropFirst(16)
    try #require(values.count == pixels.count)
    let squares = zip(values, pixels).reduce(0) { sum, pair in
      let distance = Double(pair.0) - Double(pair.1) / 255
      return sum + distance * distance
    }
    let evaluated = try output(["eval", "run"])
    let match = try #require(
      try /test loss +([0-9.]+) a sample/.firstMatch(in: evaluated.stdout), "\(evaluated)")
    // Six digits behind the point, and float32 sums.
    #expect(abs(squares / Double(values.count) - Double(match.1)!) < 1e-6, "\(evaluated)")
    // Of the pictures in a file of their own the same.
    _ = try output([
      "predict", "run", "--input", "data/" + testImagesName, "--output", "own.npy",
    ])
    #expect(readNPY(jobs.path("own.npy")).values == values)
  }

  /// What the recipe adds to its own pictures, it does not add to a user's.
  @Test func noiseIsNotAddedToOnesOwnPictures() throws {
    _ = try output([
      "mnist-denoising-autoencoder", "--data", jobs.data, "--run", "run", "--max-steps", "3",
      "--eval-every", "0",
    ])
    _ = try output(["predict", "run", "--output", "noisy.npy"])
    _ = try output([
      "predict", "run", "--input", "data/" + testImagesName, "--output", "own.npy",
    ])
    _ = try output([
      "predict", "run", "--set", "data.corrupt=0", "--output", "clean.npy",
    ])
    let own = readNPY(jobs.path("own.npy")).values
    #expect(own == readNPY(jobs.path("clean.npy")).values)
    #expect(own != readNPY(jobs.path("noisy.npy")).values)
  }

  /// relu(W x + b), by the weights of the checkpoint.
  @Test func activationsAreTheLayersOwn() throws {
    jobs.writePets()
    _ = try output(["pets.yaml", "--run", "run", "--set", "data.standardize=none"])
    let own = Jobs.pets(12, columns: ["weight", "height", "mood"], seed: 4)
    jobs.folder.write("new.csv", own)
    let layer = ["predict", "run", "--input", "new.csv", "--layer", "1"]
    let table = try Jobs.table(output(layer))
    try #require(table[0] == ["sample"] + (0..<8).map { "output_\($0)" })
    let tensors = try Safetensors.read(jobs.path("run") + "/checkpoints/latest/model.safetensors")
    func values(_ name: String) throws -> [Float] {
      try #require(tensors.first { $0.name == name }).tensor.values(Float.self)
    }
    let (weight, bias) = (try values("0.weight"), try values("0.bias"))
    let rows = own.split(separator: "\n").dropFirst().map {
      $0.split(separator: ",").map { Double($0)! }
    }
    var positive = 0
    for (row, shown) in zip(rows, table.dropFirst()) {
      for feature in 0..<8 {
        let sum = (0..<3).reduce(Double(bias[feature])) {
          $0 + Double(weight[3 * feature + $1]) * row[$1]
        }
        let found = try #require(Double(shown[1 + feature]))
        // Sums of numbers up to 100 in float32.
        #expect(abs(found - max(sum, 0)) < 1e-4)
        positive += found > 0 ? 1 : 0
      }
    }
    #expect(positive > 0 && positive < 96)
    _ = try output(layer + ["--output", "layer.npy"])
    let (shape, array) = readNPY(jobs.path("layer.npy"))
    #expect(shape == [12, 8])
    #expect(array == table.dropFirst().flatMap { $0.dropFirst().map { Float($0)! } })
  }

  @Test func reversedSequencesAreShownAsSymbols() throws {
    _ = try output([
      "reverse-seq2seq", "--run", "run", "--max-steps", "6", "--eval-every", "0", "--set",
      "data.count=100", "--set", "data.test_count=40", "--set", "data.length=4", "--set",
      "model.hidden_size=16",
    ])
    let table = try Jobs.table(output(["predict", "run"]))
    try #require(table[0] == ["sample", "actual", "teacher_forced", "free_running"])
    #expect(table.count == 41)
    for (index, row) in table.dropFirst().enumerated() {
      #expect(row[0] == "\(index)")
      for cell in row.dropFirst() {
        let symbols = cell.split(separator: " ").compactMap { Int($0) }
        #expect(symbols.count == 4 && symbols.allSatisfy { (0...9).contains($0) }, "\(row)")
      }
    }
    // The accuracy is that of teacher forcing, place by place.
    let right = table.dropFirst().reduce(0) { sum, row in
      sum + zip(row[1].split(separator: " "), row[2].split(separator: " ")).count { $0 == $1 }
    }
    let evaluated = try output(["eval", "run"])
    #expect(evaluated.stdout.contains("(\(right) of 160)"), "\(right): \(evaluated)")
    let wrong = try Jobs.table(output(["predict", "run", "--misclassified"]))
    #expect(wrong == [table[0]] + table.dropFirst().filter { $0[1] != $0[3] })

    // Sequences of one's own have no answer to compare with.
    var own = [Float](repeating: 0, count: 2 * 2 * 4 * 11)
    for place in 0..<16 { own[11 * place + (place / 4 % 2 == 0 ? place % 4 : 10)] = 1 }
    jobs.folder.write("own.npy", npy([2, 2, 4, 11], own))
    let shown = try Jobs.table(output(["predict", "run", "--input", "own.npy"]))
    #expect(shown.count == 3 && shown[0] == ["sample", "teacher_forced", "free_running"])
  }

  /// Outputs of a squared error are no probabilities, and one-hot targets need no targets in a file.
  @Test func outputsThatAreNoProbabilitiesAreNotCalledSo() throws {
    _ = try output([
      "threeblue", "--data", jobs.data, "--run", "run", "--max-steps", "2", "--eval-every", "0",
    ])
    let table = try Jobs.table(output(["predict", "run", "--input", "data/" + testImagesName]))
    try #require(table.count == 58 && table[0].prefix(3) == ["sample", "label", "output(0)"])
    for row in table.dropFirst() {
      let outputs = row.dropFirst(2).map { Double($0)! }
      #expect(outputs[Int(row[1])!] == outputs.max())
    }
  }
}

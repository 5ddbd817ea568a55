import Foundation
import TestSupport
import Testing

/// What nndist tells without training.
@Suite struct InformationTests {
  /// The text is what PyTorch 2.13 prints for the quickstart's NeuralNetwork: print(model).
  @Test(arguments: Launch.allCases)
  func recipeIsShownAsPyTorchPrintsIt(launch: Launch) throws {
    let outcome = try launch.nndist(["recipes", "mnist-mlp"])
    #expect(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    #expect(
      outcome.stdout.hasSuffix(
        """

        NeuralNetwork(
          (flatten): Flatten(start_dim=1, end_dim=-1)
          (linear_relu_stack): Sequential(
            (0): Linear(in_features=784, out_features=512, bias=True)
            (1): ReLU()
            (2): Linear(in_features=512, out_features=512, bias=True)
            (3): ReLU()
            (4): Linear(in_features=512, out_features=10, bias=True)
          )
        )
        669,706 parameters

        """), "\(outcome)")
    #expect(outcome.stdout.hasPrefix("name: mnist-mlp\n"))
    #expect(outcome.stdout.components(separatedBy: "669,706").count == 2)
  }

  /// What PyTorch 2.13 prints for system S27's network.
  @Test func convolutionalNetworkIsShownAsPyTorchPrintsIt() throws {
    let outcome = try run([nndist, "recipes", "mnist-conv"])
    #expect(
      outcome.stdout.hasSuffix(
        """

        Sequential(
          (0): Conv2d(1, 16, kernel_size=(3, 3), stride=(1, 1))
          (1): ReLU()
          (2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
          (3): Conv2d(16, 64, kernel_size=(3, 3), stride=(1, 1))
          (4): ReLU()
          (5): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
          (6): Conv2d(64, 128, kernel_size=(3, 3), stride=(1, 1))
          (7): ReLU()
          (8): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
          (9): Flatten(start_dim=1, end_dim=-1)
          (10): Linear(in_features=128, out_features=10, bias=True)
        )
        84,586 parameters

        """), "\(outcome)")
  }

  @Test func shownRecipeCanBeTrained() throws {
    let jobs = Jobs()
    let shown = try run([nndist, "recipes", "fashion-linear"]).stdout
    let yaml = shown.components(separatedBy: "\n\n")[0]
    let file = jobs.folder.write("mine.yaml", yaml)
    let outcome = try run([
      nndist, file, "--data", jobs.data, "--run", jobs.path("run"), "--epochs", "1",
    ])
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try run([nndist, "recipes", file]).stdout == shown)
  }

  @Test func recipesAreListedWithWhatToExpect() throws {
    let lines = try run([nndist, "recipes"]).stdout.split(separator: "\n")
    #expect(lines.count == 35)
    for parts in [
      ["recipe", "data", "model", "parameters", "seconds", "expect"],
      ["fashion-mnist", "784-512-512-10 ReLU", "669,706", "89 %"],
      ["mnist-mlp", "mnist", "669,706", "35 %"], ["fashion-linear", "7,850", "81 to 84 %"],
      ["mnist-conv", "3 convolutions", "84,586", "0.9240"], ["rings-3", "2-3-1 Sigmoid", "13"],
      ["trend-rnn", "RNN 1-4-1 Tanh", "29"],
    ] {
      let line = lines.first { $0.hasPrefix(parts[0] + "  ") } ?? ""
      for part in parts { #expect(line.contains(part), "\(parts[0])") }
    }
    #expect(lines.allSatisfy { $0.count <= 160 })
  }

  /// What a good schema is, Tests/RecipesTests/SchemaTests.swift says.
  @Test func schemaIsPrintedAlone() throws {
    let outcome = try run([nndist, "recipes", "--schema"])
    #expect(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    #expect(
      try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) is [String: Any])
    let both = try run([nndist, "recipes", "wave", "--schema"])
    #expect(both.status == 64 && both.stderr.contains("leave wave away"), "\(both)")
  }

  /// Options with the text of each, from a help page's list.
  private func options(of command: String) throws -> [(name: String, text: String)] {
    let help = try run([nndist, command, "--help"])
    #expect(help.status == 0 && help.stderr.isEmpty, "\(help)")
    let lines = help.stdout.split(separator: "\n", omittingEmptySubsequences: false)
      .drop { $0 != "OPTIONS:" }.dropFirst()
    var options: [(name: String, text: String)] = []
    for line in lines {
      if line.hasPrefix("  -") {
        options.append((String(line.drop { $0 == " " }.prefix { $0 != " " }), String(line)))
      } else if !options.isEmpty {
        options[options.count - 1].text += " " + line.drop { $0 == " " }
      }
    }
    return options
  }

  @Test func helpNamesEveryOptionWithItsDefault() throws {
    let options = try options(of: "train")
    #expect(
      options.map(\.name) == [
        "--data", "--run", "--resume", "--init", "--epochs", "--max-steps", "--batch-size",
        "--micro-batch", "--compress", "--precision", "--lr", "--seed", "--shards", "--no-shuffle",
        "--threads",
        "--zero", "--set",
        "--log-every", "--eval-every",
        "--checkpoint-every", "--folds", "--time-limit", "--stall-timeout", "--quiet", "--version",
        "-h,",
      ])
    let others = try ["eval", "doctor", "predict", "recipes"].flatMap { try self.options(of: $0) }
    for (name, text) in options + others where name != "--version" && name != "-h," {
      #expect(text.contains("(default: "), "\(text)")
    }
  }

  @Test(arguments: Launch.allCases)
  func helpIsShownOnce(launch: Launch) throws {
    for arguments in [["--help"], ["help"], ["train", "--help"], ["help", "train"]] {
      let outcome = try launch.nndist(arguments)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(outcome.stdout.components(separatedBy: "USAGE: nndist").count == 2, "\(outcome)")
      if launch == .onFourRanks { break }
    }
  }

  @Test(arguments: Launch.allCases)
  func versionIsShown(launch: Launch) throws {
    let outcome = try launch.nndist(["--version"])
    #expect(outcome.status == 0 && outcome.stdout == "nndist 0.1.0\n", "\(outcome)")
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func completionScriptsKnowTheOptions(shell: String) throws {
    let outcome = try run([nndist, "--generate-completion-script", shell])
    #expect(outcome.status == 0, "\(outcome)")
    for option in ["checkpoint-every", "max-steps", "recipes", "doctor"] {
      #expect(outcome.stdout.contains(option))
    }
    guard shell == "bash" else { return }
    let folder = TemporaryFolder()
    #expect(try run(["bash", "-n", folder.write("script", outcome.stdout)]).status == 0)
  }

  @Test(arguments: Launch.allCases)
  func doctorTellsItsRows(launch: Launch) throws {
    let jobs = Jobs()
    let outcome = try launch.nndist(["doctor", "--data", jobs.data])
    #expect(outcome.status == 0, "\(outcome)")
    let lines = outcome.stdout.split(separator: "\n")
    func row(_ name: String) -> Substring { lines.first { $0.hasPrefix(name) } ?? "" }
    #expect(row("nndist").hasSuffix(" 0.1.0"))
    #expect(row("MPI").contains("Open MPI v") && row("MPI").contains("mpirun"))
    #expect(row("kernels").contains("oneDNN "))
    #expect(row("cores").contains("\(ProcessInfo.processInfo.processorCount) on "))
    #expect(row("data").contains("mnist: \(jobs.data)/train-images-idx3-ubyte"))
    for rank in 0..<(launch == .alone ? 1 : 4) {
      #expect(lines.filter { $0.contains("rank \(rank) on ") }.count == 1, "\(outcome)")
    }
  }

  @Test func benchmarkOfReductionsNeedsRanks() throws {
    let outcome = try run([nndist, "bench", "reduce"])
    expectError(outcome, 64, "this is one rank", "mpirun -n ")
    expectError(try run([nndist, "bench", "reduce", "--up-to", "9"]), 64, "--up-to 9 is below")
    expectError(
      try run([nndist, "bench", "reduce", "--up-to", "4098"]), 64, "4098 is no number of floats")
  }

  @Test func benchmarkOfReductionsGivesATableAndJSON() throws {
    let command = [nndist, "bench", "reduce", "--up-to", "10000"]
    let table = try mpirun(ranks: 2, command)
    #expect(table.status == 0, "\(table)")
    let lines = table.stdout.split(separator: "\n")
    #expect(lines.first?.hasPrefix("2 ranks, ") ?? false, "\(table)")
    #expect(
      lines.suffix(3).map { $0.split(separator: " ").prefix(3) }
        == [["1", "KB", "256"], ["4", "KB", "1024"], ["9.8", "KB", "2500"]], "\(table)")

    let json = try mpirun(ranks: 3, command + ["--json"])
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(json.stdout.utf8)) as? [String: Any], "\(json)")
    #expect(report["ranks"] as? Int == 3 && report["path"] as? String == "shared window")
    let rows = try #require(report["rows"] as? [[String: Any]])
    #expect(rows.map { $0["bytes"] as? Int } == [1024, 4096, 10000])
    for row in rows {
      func number(_ key: String) -> Double { row[key] as? Double ?? .nan }
      let pass = number("bytes") / number("copy_bytes_per_second") * 1e6
      let ours = number("reduce_microseconds")
      // 2 p n / B and (3 p + 1) n / B of p = 3; a few roundings, here and in reading.
      #expect(abs(number("bound_microseconds") / (6 * pass) - 1) < 1e-9, "\(row)")
      #expect(abs(number("mpi_bound_microseconds") / (10 * pass) - 1) < 1e-9, "\(row)")
      #expect(
        abs(number("speedup") * ours / number("mpi_allreduce_microseconds") - 1) < 1e-9, "\(row)")
      #expect(number("repetitions") >= 11 && ours > 0)
    }
  }

  @Test func doctorTellsWhatToInstall() throws {
    let outcome = try run([nndist, "doctor", "--data", "/nonexistent"])
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.stdout.contains("apt-get install dataset-fashion-mnist"))
  }
}

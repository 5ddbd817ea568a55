import Foundation
import TestSupport
import Testing

/// nil where they are missing, so that the tests that need them are skipped by name.
private let pythonWithTorch = python(with: "torch", "safetensors")
private let pythonAtAll = python(with: "json")
private let accept = sharedFolder().map { $0 + "/accept/golden.py" }

/// Training beside PyTorch's, from PyTorch's own weights (issue 2, point 4).
@Suite struct PyTorchTrajectoryTests {
  // Needs the folder ../shared with PyTorch's trajectories and MNIST, Debian's
  // dataset-fashion-mnist, and a plain Python.
  @Test(
    .enabled(if: accept != nil && fashionMNISTFolder != nil && pythonAtAll != nil),
    arguments: ["", "mpirun --oversubscribe -n 2"])
  func everyStepsLossIsPyTorchs(launch: String) throws {
    let outcome = try run(
      [
        pythonAtAll!, accept!, "--nndist", nndist, "--launch", launch, "mnist-mlp",
        "fashion-linear",
      ],
      environment: mpirunAsRoot)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(
      outcome.stdout.contains("mnist-mlp: ok") && outcome.stdout.contains("fashion-linear: ok"))
    #expect(outcome.stdout.hasSuffix("2 passed, 0 failed\n"), "\(outcome)")
  }
}

/// The convolutional network, from PyTorch's own weights.
@Suite struct PyTorchConvolutionTests {
  private struct Known: Decodable { let losses: [Double] }
  private struct Step: Decodable { let loss: Double }

  // Needs the folder ../shared with PyTorch's trajectories and MNIST. The limits are those of
  // ../shared/accept/golden.py: Adam at 0.01 makes of a rounding anything after some dozen steps.
  @Test(.enabled(if: sharedFolder() != nil))
  func lossesArePyTorchs() throws {
    let shared = try #require(sharedFolder())
    let known = try JSONDecoder().decode(
      Known.self, from: Data(contents(shared + "/golden/mnist-conv/losses.json"))
    ).losses
    let folder = TemporaryFolder()
    let outcome = try run([
      nndist, "mnist-conv", "--set", "data.sample=null", "--data", shared + "/mnist", "--run",
      folder.path + "/run", "--init",
      shared + "/golden/mnist-conv/init.safetensors", "--no-shuffle", "--max-steps",
      "\(known.count)", "--log-every", "1", "--eval-every", "0",
    ])
    #expect(outcome.status == 0, "\(outcome)")
    let ours = try String(decoding: contents(folder.path + "/run/metrics.jsonl"), as: UTF8.self)
      .split(separator: "\n").filter { $0.contains("\"event\":\"step\"") }
      .map { try JSONDecoder().decode(Step.self, from: Data($0.utf8)).loss }
    try #require(ours.count == known.count)
    let relative = zip(ours, known).map { abs($0 - $1) / $1 }
    #expect(relative[..<10].max()! <= 2e-5)
    #expect(relative.sorted()[relative.count / 2] <= 5e-3)
  }
}

/// The notebook's own class takes a run's weights (issue 2, point 5).
@Suite struct PyTorchWeightsTests {
  private struct Figures: Decodable {
    let module: String
    let lossBatchMean, loss: Double
    let correct: Int
    let first: [Double]
  }

  /// Figures of `nndist eval`, which prints six digits behind the point.
  private func evaluate(_ run: String, _ data: String) throws -> (correct: Int, losses: [Double]) {
    let outcome = try TestSupport.run([nndist, "eval", run, "--data", data])
    #expect(outcome.status == 0, "\(outcome)")
    let match = try #require(
      try /\((\d+) of \d+\), standard error .*\ntest loss +([\d.]+) a sample, ([\d.]+) as mean/
        .firstMatch(
          in: outcome.stdout))
    return (Int(match.1)!, [Double(match.2)!, Double(match.3)!])
  }

  // Needs PyTorch and safetensors in some Python ($NNDIST_PYTHON, python3, /tmp/venv).
  @Test(.enabled(if: pythonWithTorch != nil))
  func notebooksClassTakesTheWeightsAndGivesTheSameFigures() throws {
    let folder = TemporaryFolder()
    let data = folder.writeImages(train: 300, test: 157)
    let runPath = folder.path + "/run"
    let trained = try run([
      nndist, "mnist-mlp", "--data", data, "--run", runPath, "--lr", "0.05", "--epochs", "3",
    ])
    #expect(trained.status == 0, "\(trained)")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/torch_eval.py").path
    let outcome = try run([
      pythonWithTorch!, script, runPath + "/checkpoints/latest/model.safetensors", data,
    ])
    try #require(outcome.status == 0, "\(outcome)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let torch = try decoder.decode(Figures.self, from: Data(outcome.stdout.utf8))
    #expect(torch.correct > 16 && torch.correct < 157, "nothing to tell apart: \(outcome)")

    let ours = try evaluate(runPath, data)
    #expect(ours.correct == torch.correct)
    // Half a digit of the print, and PyTorch's own float arithmetic: 1e-6 of some 2.
    #expect(abs(ours.losses[0] - torch.loss) < 0.5e-6 + 1e-6 * torch.loss)
    #expect(abs(ours.losses[1] - torch.lossBatchMean) < 0.5e-6 + 1e-6 * torch.lossBatchMean)
    // With all digits, in the log.
    let line = try #require(
      String(decoding: contents(runPath + "/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
        .last { $0.contains("\"event\":\"eval\"") })
    let logged = try decoder.decode(Logged.self, from: Data(line.utf8))
    #expect(abs(logged.loss - torch.loss) < 1e-6 * torch.loss)
    #expect(abs(logged.lossBatchMean - torch.lossBatchMean) < 1e-6 * torch.lossBatchMean)

    // Digit by digit: a test set of one.
    let images = contents(data + "/" + testImagesName)
    let labels = contents(data + "/" + testLabelsName)
    for (digit, expected) in torch.first.enumerated() {
      folder.write(
        "one/" + testImagesName, idx([1, 28, 28], Array(images[(16 + digit * 784)...].prefix(784))))
      folder.write("one/" + testLabelsName, idx([1], [labels[8 + digit]]))
      folder.write("one/" + trainImagesName, idx([1, 28, 28], noise(784)))
      folder.write("one/" + trainLabelsName, idx([1], [0]))
      let one = try evaluate(runPath, folder.path + "/one")
      #expect(abs(one.losses[0] - expected) < 0.5e-6 + 2e-6 * expected)
      #expect(one.losses[0] == one.losses[1])
    }

    let shown = try run([nndist, "recipes", "mnist-mlp"])
    #expect(shown.stdout.contains("\n\n" + torch.module + "\n"), "\(torch.module)")
  }

  private struct Logged: Decodable {
    let loss, lossBatchMean: Double
  }
}

import Foundation
import System
import TestSupport
import Testing
import Training

// Training has an Outcome too.
import struct TestSupport.Outcome

/// Rows 38, 43, 44 and 45 through the command line: status, one line, memory, nothing written.
@Suite struct HostileFileTests {
  let jobs = Jobs(train: 203, test: 57)

  /// Runs nndist.
  /// - Returns: how it ended, and the most memory it had.
  private static func peak(_ arguments: [String]) throws -> (outcome: Outcome, bytes: Int) {
    let folder = TemporaryFolder()
    let path = folder.path + "/peak"
    let outcome = try run(
      [builtProduct("nndist-faults")] + arguments, environment: ["NNDIST_PEAK_MEMORY": path])
    return (outcome, try #require(Int(String(decoding: contents(path), as: UTF8.self))))
  }

  /// What the program itself takes.
  private static let baseline = Result { try peak(["recipes", "rings-1"]).bytes }

  /// Expects one error, and no more memory than `megabytes` above what the program itself takes.
  private func refused(
    _ arguments: [String], _ parts: [String], megabytes: Int,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let (outcome, bytes) = try HostileFileTests.peak(arguments)
    expectError(outcome, 65, at: location)
    for part in parts {
      #expect(outcome.stderr.contains(part), "\(outcome)", sourceLocation: location)
    }
    let above = bytes - (try HostileFileTests.baseline.get())
    #expect(above < megabytes << 20, "\(outcome)", sourceLocation: location)
  }

  private func train(_ more: [String]) -> [String] {
    ["train", "rings-1", "--run", jobs.path("run"), "--quiet"] + more
  }

  private var images: [String] { jobs.arguments("run") }

  /// Every fourth; TrainingTests read all.
  @Test func hostileWeightsAreRefused() throws {
    for (index, file) in hostileSafetensors.enumerated() where index % 4 == 0 {
      let path = jobs.folder.write("hostile.safetensors", file.bytes)
      try refused(train(["--init", path]), [path, file.message], megabytes: 100)
    }
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")), "a run was left")
  }

  /// Changes a checkpoint's state, and mends its digest.
  private static func change(
    _ checkpoint: String, _ change: (inout CheckpointState) throws -> Void
  ) throws {
    var state = try CheckpointState.read(checkpoint + "/state.json")
    try change(&state)
    state.digest = state.expectedDigest
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    FileManager.default.createFile(
      atPath: checkpoint + "/state.json", contents: try encoder.encode(state) + Data("\n".utf8))
  }

  /// A checkpoint whose digests were mended for the hostile file.
  @Test func hostileCheckpointsAreRefused() throws {
    let trained = try run([nndist] + train(["--epochs", "1"]))
    try #require(trained.status == 0, "\(trained)")
    let checkpoint = jobs.path("run/checkpoints/latest")
    for name in ["2^64 - 1", "a key twice", "deep lists", "shape overflow", "bytes left over"] {
      let file = try #require(hostileSafetensors.first { $0.description.contains(name) })
      let path = checkpoint + "/model.safetensors"
      FileManager.default.createFile(atPath: path, contents: Data(file.bytes))
      let sum = try run(["sha256sum", path]).stdout.prefix(64)
      try HostileFileTests.change(checkpoint) { state in
        state.files["model.safetensors"] = try JSONDecoder().decode(
          FileDigest.self, from: Data("{\"bytes\":\(file.bytes.count),\"sha256\":\"\(sum)\"}".utf8))
      }
      try refused(["eval", jobs.path("run")], [file.message], megabytes: 100)
    }
  }

  /// A state that says that more of the epoch is done than the data have, or a part of a batch; or that
  /// more epochs are done than steps.
  @Test(arguments: Launch.allCases)
  func placesWhereNoRunStandsAreRefused(launch: Launch) throws {
    try jobs.train("whole")
    // Else step 5's would be taken instead.
    try jobs.train("run", ["--max-steps", "7", "--checkpoint-every", "1000", "--eval-every", "0"])
    let checkpoint = jobs.path("run/checkpoints/step-00000007")
    let good = contents(checkpoint + "/state.json")
    let resume = jobs.arguments("run", ["--resume"])
    for (position, epoch, part) in [
      (203, 2, "key position is 203, and epoch 2 has 203 samples"),
      (1 << 40, 2, "key position is \(1 << 40), and epoch 2 has 203 samples"),
      (70, 2, "key position is 70, no multiple of the batch size, 50"),
      (100, 9, "key epoch has an impossible value"),
    ] {
      try HostileFileTests.change(checkpoint) { ($0.position, $0.epoch) = (position, epoch) }
      expectError(try launch.nndist(resume), 65, checkpoint + "/state.json: ", part)
      jobs.folder.write("run/checkpoints/step-00000007/state.json", good)
    }
    let outcome = try launch.nndist(resume)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }

  @Test func namesThatLeadElsewhereWriteNothing() throws {
    let before = try FileManager.default.subpathsOfDirectory(atPath: jobs.folder.path)
    let entry = safetensorsEntry("../../../evil")
    let path = jobs.folder.write("evil.safetensors", safetensors("{\(entry)}", data: 8))
    try refused(train(["--init", path]), ["leads out of its folder"], megabytes: 100)
    let recipe = MalformedInputTests.good.replacingOccurrences(
      of: "name: mine", with: "name: ../evil")
    jobs.folder.write("evil.yaml", recipe)
    let outcome = try jobs.command(["train", "evil.yaml"])
    expectError(outcome, 64, "evil.yaml:1: name: ../evil is not allowed; it must be letters")
    #expect(
      try FileManager.default.subpathsOfDirectory(atPath: jobs.folder.path).sorted()
        == (before + ["evil.safetensors", "evil.yaml"]).sorted())
    #expect(!FileManager.default.fileExists(atPath: jobs.folder.path + "/../evil"))
  }

  @Test func lyingImagesAreRefused() throws {
    for (dims, part) in [
      ([0x7fff_ffff, 28, 28], "declares 2147483647 x 28 x 28, which with the header makes"),
      ([0xffff_ffff, 0xffff_ffff, 0xffff_ffff], "more than any file holds"),
      ([204, 28, 28], "but it ends at byte \(203 * 784 + 16)"),
    ] {
      jobs.folder.write("data/\(trainImagesName)", idx(dims, noise(203 * 784)))
      try refused(images, [trainImagesName, part], megabytes: 64)
    }
  }

  /// A megabyte that unzips to a gigabyte: behind the images, in place of them, and as what is to be
  /// predicted.
  @Test func gzipBombsAreRefused() throws {
    let path = jobs.folder.path + "/data/" + trainImagesName
    let whole = contents(path)
    try FileManager.default.removeItem(atPath: path)
    jobs.folder.write("data/\(trainImagesName).gz", gzipBomb(whole, zeros: 1 << 30))
    try refused(
      images, [trainImagesName, "but it goes on after byte \(203 * 784 + 15) of the uncompressed"],
      megabytes: 64)
    jobs.folder.write(
      "data/\(trainImagesName).gz", gzipBomb(idx([1_300_000, 28, 28], []), zeros: 1_300_000 * 784))
    try refused(images, ["declares 1300000 images, but"], megabytes: 64)
    let liar = jobs.folder.write(
      "liar.gz", gzipped(idx([1_000_000, 28, 28], noise(1 << 20))))
    jobs.folder.write("data/\(trainImagesName)", whole)
    try FileManager.default.removeItem(atPath: path + ".gz")
    let trained = try jobs.train("run", ["--epochs", "1"])
    #expect(trained.status == 0)
    try refused(
      ["predict", jobs.path("run"), "--input", liar],
      ["declares 1000000 x 28 x 28", "it ends at byte 1048592 of the uncompressed data"],
      megabytes: 64)
  }
}

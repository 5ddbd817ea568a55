import Foundation
import System
import Tensors
import TestSupport
import Testing
import Training

/// A checkpoint's contents that differ with the step.
private func tensors(
  _ step: Int, rows: Int = 2
) -> (model: Checkpoint.Tensors, optimizer: Checkpoint.Tensors) {
  let values = (0..<rows * 3).map { Float($0) + 0.1 * Float(step) }
  return (
    [
      ("1.weight", Tensor(values, shape: [rows, 3])),
      ("1.bias", Tensor([1, 2] as [Float], shape: [2])),
    ],
    [("exp_avg.1.weight", Tensor(values, shape: [rows, 3]))]
  )
}

private func state(step: Int, best: Int? = nil) throws -> CheckpointState {
  let best =
    best.map { ",\"best\":{\"metric\":\"accuracy\",\"value\":0.8871,\"step\":\($0)}" } ?? ""
  return try JSONDecoder().decode(
    CheckpointState.self,
    from: Data(
      """
      {"step":\(step),"epoch":1,"position":128,"seed":18446744073709551615,"shards":7,
       "recipe_digest":"\(SHA256.digest(of: "recipe"))","files":{},
       "evaluations_since_best":2\(best)}
      """.utf8))
}

@discardableResult
private func save(
  step: Int, best: Int? = nil, rows: Int = 2, in directory: String
) throws -> String {
  let (model, optimizer) = tensors(step, rows: rows)
  return try Checkpoint.save(
    model: model, optimizer: optimizer, state: state(step: step, best: best), in: directory
  ).path
}

private func entries(_ directory: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

private func target(_ link: String) throws -> String {
  try FileManager.default.destinationOfSymbolicLink(atPath: link)
}

@Suite struct CheckpointTests {
  let folder = TemporaryFolder()

  @Test func whatWasSavedIsLoaded() throws {
    let path = try save(step: 938, best: 469, in: folder.path)
    #expect(path == folder.path + "/step-00000938")
    for path in [path, folder.path + "/latest"] {
      let (loaded, model, optimizer) = try Checkpoint.load(path)
      var expected = try state(step: 938, best: 469)
      (expected.files, expected.digest) = (loaded.files, loaded.digest)
      #expect(loaded == expected)
      #expect(model.map { TensorBytes($0) } == tensors(938).model.map { TensorBytes($0) })
      #expect(optimizer.map { TensorBytes($0) } == tensors(938).optimizer.map { TensorBytes($0) })
    }
    #expect(
      try entries(path) == ["model.safetensors", "optimizer.safetensors", "state.json"])
  }

  @Test func stateNamesTheOtherFilesWithLengthAndDigest() throws {
    let path = try save(step: 1, in: folder.path)
    let json = try JSONSerialization.jsonObject(with: Data(contents(path + "/state.json")))
    let files = try #require((json as? [String: Any])?["files"] as? [String: [String: Any]])
    #expect(files.keys.sorted() == ["model.safetensors", "optimizer.safetensors"])
    for (name, digest) in files {
      #expect(digest["bytes"] as? Int == contents(path + "/" + name).count)
      let sum = try run(["sha256sum", path + "/" + name])
      #expect(digest["sha256"] as? String == String(sum.stdout.prefix(64)))
    }
  }

  @Test func latestFollowsAndLeftoversGo() throws {
    try save(step: 5, in: folder.path)
    folder.write(".tmp-step-00000007/model.safetensors", "half of it")
    folder.write(".tmp-step-00000003-older/model.safetensors", "old")
    symlink("step-00000005", folder.path + "/.tmp-latest")
    folder.write(".tmp-notes", "mine")
    folder.write(".tmp-step-notes", "mine")
    try Checkpoint.prepare(folder.path)
    #expect(
      try entries(folder.path) == [".tmp-notes", ".tmp-step-notes", "latest", "step-00000005"])
    for notes in [".tmp-notes", ".tmp-step-notes"] { unlink(folder.path + "/" + notes) }
    try save(step: 10, in: folder.path)
    #expect(try target(folder.path + "/latest") == "step-00000010")
    #expect(try entries(folder.path) == ["latest", "step-00000005", "step-00000010"])
  }

  @Test func stepReachedAgainReplacesItsOlderSave() throws {
    try save(step: 5, in: folder.path)
    let other = tensors(99)
    let path = try Checkpoint.save(
      model: other.model, optimizer: other.optimizer, state: state(step: 5), in: folder.path
    ).path
    #expect(
      try Checkpoint.load(path).model.map { TensorBytes($0) } == other.model.map { TensorBytes($0) }
    )
    #expect(try entries(folder.path) == ["latest", "step-00000005"])
  }

  /// What a full disk does, in a process whose files may not grow beyond 250 bytes.
  @Test func saveThatFailsLeavesTheOldOnesAndNothingElse() async throws {
    try save(step: 5, in: folder.path)
    await #expect(processExitsWith: .success) { [path = folder.path as String] in
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 250, rlim_max: 250)
      setrlimit(__rlimit_resource_t(1), &limit)  // RLIMIT_FSIZE
      expectFailure(
        .ioError, "cannot write \(path)/.tmp-step-00000010/state.json", "File too large"
      ) { try save(step: 10, in: path) }
    }
    #expect(try entries(folder.path) == ["latest", "step-00000005"])
    #expect(try Checkpoint.load(folder.path + "/latest").state.step == 5)
  }

  @Test func namesAreTheNewestFirstAndCheckpointsOnly() {
    for name in [
      "step-00000009", "step-00000010", "step-99999999", "step-100000000", "step-00000002",
      ".tmp-step-00000011", "step-", "step-x", "step-0000001x", "latest", "best", "notes.txt",
    ] { folder.write(name + "/x", "") }
    #expect(
      Checkpoint.names(in: folder.path)
        == ["step-100000000", "step-99999999", "step-00000010", "step-00000009", "step-00000002"])
    #expect(Checkpoint.names(in: folder.path + "/none").isEmpty)
    #expect(Checkpoint.name(step: 100_000_000) == "step-100000000")
    #expect(Checkpoint.name(step: 0) == "step-00000000")
  }

  @Test func pruningKeepsTheNewestTheBestAndTheLatest() throws {
    for step in 1...7 { try save(step: step, in: folder.path) }
    try Checkpoint.link("best", to: Checkpoint.name(step: 2), in: folder.path)
    Checkpoint.prune(folder.path, keeping: 3)
    #expect(
      Checkpoint.names(in: folder.path)
        == [7, 6, 5, 2].map { Checkpoint.name(step: $0) })
    #expect(try Checkpoint.load(folder.path + "/best").state.step == 2)
    // A run that went back past damaged ones saves below their numbers.
    try save(step: 3, in: folder.path)
    Checkpoint.prune(folder.path, keeping: 3)
    #expect(
      Checkpoint.names(in: folder.path)
        == [7, 6, 5, 3, 2].map { Checkpoint.name(step: $0) })
    // What it saves counts by itself: there is more than the last to go back to.
    try save(step: 4, in: folder.path)
    Checkpoint.prune(folder.path, keeping: 2)
    #expect(
      Checkpoint.names(in: folder.path)
        == [7, 6, 5, 4, 3, 2].map { Checkpoint.name(step: $0) })
    try save(step: 5, in: folder.path)
    Checkpoint.prune(folder.path, keeping: 2)
    #expect(
      Checkpoint.names(in: folder.path)
        == [7, 6, 5, 4, 2].map { Checkpoint.name(step: $0) })
  }

  /// In the way of a save, they lead nowhere.
  @Test(arguments: ["step-00000010", ".tmp-step-00000010"])
  func linkInTheWayIsNotFollowed(name: String) throws {
    try save(step: 5, in: folder.path)
    let other = TemporaryFolder()
    other.write("mine", "mine")
    symlink(other.path, folder.path + "/" + name)
    expectFailure(.cannotCreate, "\(folder.path)/\(name) is a symbolic link") {
      try save(step: 10, in: folder.path)
    }
    #expect(try entries(other.path) == ["mine"])
    #expect(try entries(folder.path) == [name, "latest", "step-00000005"].sorted())
    expectFailure(.cannotCreate, "\(folder.path)/\(name) is a symbolic link") {
      try Checkpoint.prepare(folder.path)
    }
  }

  @Test func linksMoveWhereverTheyPointed() throws {
    symlink("nowhere", folder.path + "/best")
    try Checkpoint.link("best", to: "step-00000001", in: folder.path)
    #expect(try target(folder.path + "/best") == "step-00000001")
    #expect(try entries(folder.path) == ["best"])
  }
}

/// Checkpoints that were damaged after they were written.
@Suite struct DamagedCheckpointTests {
  let folder = TemporaryFolder()
  static let files = ["model.safetensors", "optimizer.safetensors", "state.json"]

  /// Every bit of every file, over 10,000 of them: none loads, and the file is named.
  @Test func everyFlippedBitIsNoticed() throws {
    let path = try save(step: 938, best: 469, rows: 16, in: folder.path)
    var flips = 0
    for file in DamagedCheckpointTests.files {
      let place = path + "/" + file
      let whole = contents(place)
      let descriptor = open(place, O_RDWR)
      defer { close(descriptor) }
      for (offset, byte) in whole.enumerated() {
        for bit in 0..<8 {
          var flipped = byte ^ 1 << bit
          pwrite(descriptor, &flipped, 1, offset)
          expectDamaged(path, file, "bit \(bit) of byte \(offset)")
          flips += 1
        }
        var byte = byte
        pwrite(descriptor, &byte, 1, offset)
      }
      _ = try Checkpoint.load(path)
    }
    #expect(flips >= 10_000)
  }

  /// Every length of every file, over 1,000 of them.
  @Test func fileCutShortAnywhereIsNoticed() throws {
    let path = try save(step: 938, best: 469, rows: 16, in: folder.path)
    var cuts = 0
    for file in DamagedCheckpointTests.files {
      let whole = contents(path + "/" + file)
      for length in whole.indices.reversed() {
        truncate(path + "/" + file, length)
        expectDamaged(path, file, "cut to \(length) bytes")
        cuts += 1
      }
      folder.write("step-00000938/\(file)", whole)
      _ = try Checkpoint.load(path)
    }
    #expect(cuts >= 1_000)
  }

  /// Faster than `expectFailure`: there are many.
  private func expectDamaged(_ path: String, _ file: String, _ damage: String) {
    do {
      _ = try Checkpoint.load(path)
      Issue.record("\(file), \(damage): it was loaded")
    } catch let failure as Failure {
      if failure.status != .badData || !failure.message.contains("\(path)/\(file)") {
        Issue.record("\(file), \(damage): \(failure)")
      }
    } catch {
      Issue.record("\(file), \(damage): \(error)")
    }
  }

  /// Whatever is wrong with the newest, the one before is taken, and the file is named.
  @Test(arguments: files, [true, false])
  func olderIsTakenWhereTheNewestIsDamaged(file: String, isCut: Bool) throws {
    try save(step: 10, in: folder.path)
    let path = try save(step: 20, in: folder.path)
    var bytes = contents(path + "/" + file)
    if isCut { bytes.removeLast(7) } else { bytes[bytes.count / 2] ^= 4 }
    folder.write("step-00000020/\(file)", bytes)
    var passed: [String] = []
    let newest = try Checkpoint.newest(in: folder.path) { passed.append("\($0): \($1.message)") }
    #expect(newest?.state.step == 10)
    #expect(passed.count == 1 && passed[0].hasPrefix("step-00000020: \(path)/\(file)"), "\(passed)")
    try FileManager.default.removeItem(atPath: folder.path + "/step-00000010")
    expectFailure(.badData, "\(path)/\(file)") {
      _ = try Checkpoint.newest(in: folder.path) { _, _ in }
    }
  }

  @Test func stepOfAnotherNameIsPassedOver() throws {
    let path = try save(step: 10, in: folder.path)
    rename(path, folder.path + "/step-00000030")
    try save(step: 20, in: folder.path)
    var passed: [String] = []
    let newest = try Checkpoint.newest(in: folder.path) { name, _ in passed.append(name) }
    #expect(newest?.state.step == 20 && passed == ["step-00000030"])
  }

  @Test(arguments: files)
  func missingFileIsNoticed(file: String) throws {
    let path = try save(step: 938, in: folder.path)
    unlink(path + "/" + file)
    expectFailure(.badData, "\(path)/\(file)", "No such file") { _ = try Checkpoint.load(path) }
  }

  /// Each file is good, but they are not of one step.
  @Test func filesOfAnotherCheckpointAreNoticed() throws {
    let path = try save(step: 10, in: folder.path)
    let other = try save(step: 20, in: folder.path)
    folder.write("step-00000010/model.safetensors", contents(other + "/model.safetensors"))
    expectFailure(.badData, "\(path)/model.safetensors is damaged") {
      _ = try Checkpoint.load(path)
    }
  }

  /// A digest is no signature: whoever writes a state can write the digest that belongs to it.
  @Test func statesThatNoRunHasAreRefusedThoughTheirDigestIsRight() throws {
    let path = try save(step: 10, in: folder.path)
    let good = try #require(
      JSONSerialization.jsonObject(with: Data(contents(path + "/state.json"))) as? [String: Any])
    func refused(_ key: String, _ value: Any) throws {
      let changed = good.merging([String(key.split(separator: ".")[0]): value]) { $1 }
      var state = try JSONDecoder().decode(
        CheckpointState.self, from: JSONSerialization.data(withJSONObject: changed))
      state.digest = state.expectedDigest
      let text = String(decoding: try JSONEncoder().encode(state), as: UTF8.self) + "\n"
      let file = folder.write("\(key)/state.json", text)
      expectFailure(.badData, "\(file): key \(key) has an impossible value") {
        _ = try CheckpointState.read(file)
      }
    }
    for step in [Int.max, -1] { try refused("step", step) }
    // 11: of the 10 steps one lies in the begun epoch, which leaves 9 for those before it.
    for epoch in [0, 11, Int.max] { try refused("epoch", epoch) }
    try refused("position", Int.min)
    for shards in [0, 1 << 40] { try refused("shards", shards) }
    try refused("evaluations_since_best", Int.max)
    for step in [11, Int.max, -1] {
      try refused("best.step", ["metric": "loss", "value": 1, "step": step])
    }
    for (mean, deviation) in [([Double](), [Double]()), ([1, 2], [1])] {
      try refused("standardization", ["input": ["mean": mean, "deviation": deviation]])
    }
  }

  @Test func stateThatNamesNoFilesIsRefused() throws {
    let path = try save(step: 10, in: folder.path)
    let text = try String(data: JSONEncoder().encode(state(step: 10)), encoding: .utf8)
    folder.write("step-00000010/state.json", text!)
    expectFailure(.badData, "\(path)/state.json") { _ = try Checkpoint.load(path) }
  }
}

@Suite struct RestoreTests {
  private let views: Checkpoint.Tensors = [
    ("a", Tensor(zeros: [2])), ("b", Tensor(zeros: [1, 2])),
  ]
  private func loaded(_ name: String, _ shape: Shape, _ dtype: DType = .float32)
    -> Checkpoint.Tensors
  {
    [("a", Tensor([1, 2] as [Float], shape: [2])), (name, Tensor(zeros: shape, dtype))]
  }

  @Test func namesDecideNotTheOrder() throws {
    try Checkpoint.restore(
      [
        ("b", Tensor([3, 4] as [Float], shape: [1, 2])),
        ("a", Tensor([1, 2] as [Float], shape: [2])),
      ], into: views, from: "file")
    #expect(views[0].tensor.values(Float.self) == [1, 2])
    #expect(views[1].tensor.values(Float.self) == [3, 4])
  }

  @Test func foreignTensorsAreNamedAndNothingIsCopied() {
    expectFailure(.badData, "file has no tensor b") {
      try Checkpoint.restore(loaded("c", [1, 2]), into: views, from: "file")
    }
    expectFailure(
      .badData, "file: tensor b is float32 [2, 1], the model's is float32 [1, 2]",
      remedy: "check the recipe"
    ) { try Checkpoint.restore(loaded("b", [2, 1]), into: views, from: "file") }
    expectFailure(.badData, "file: tensor b is float64 [1, 2], the model's is float32 [1, 2]") {
      try Checkpoint.restore(loaded("b", [1, 2], .float64), into: views, from: "file")
    }
    expectFailure(.badData, "file has a tensor c that the model does not") {
      try Checkpoint.restore(
        loaded("b", [1, 2]) + [("c", Tensor(zeros: [1]))], into: views, from: "file")
    }
    #expect(views[0].tensor.values(Float.self) == [0, 0])
  }
}

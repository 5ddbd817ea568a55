import Foundation
import System
import TestSupport
import Testing

import struct TestSupport.Outcome
import enum Training.Checkpoint
import struct Training.CheckpointState
import enum Training.Safetensors

/// Run directories that cannot be written (../shared/faults.md, 27).
@Suite struct UnwritableDirectoryTests {
  let jobs = Jobs.saving()

  private func refused(
    _ arguments: [String], _ parts: String..., at location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try run(arguments)
    expectError(outcome, 73, at: location)
    for part in parts {
      #expect(outcome.stderr.contains(part), "\(part): \(outcome)", sourceLocation: location)
    }
    let steps = (try? jobs.steps("run").count) ?? 0
    #expect(steps == 0, sourceLocation: location)
  }

  static let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
  static let canBecomeNobody: Bool = {
    let outcome = try? run(nobody + [nndist, "--version"])
    return outcome?.status == 0
  }()

  /// Root may write anywhere, so another user tries.
  @Test(.enabled(if: canBecomeNobody, "only root can become another user, who must reach nndist"))
  func placeThatOthersOwnIsRefused() throws {
    let nobody = UnwritableDirectoryTests.nobody
    chmod(jobs.folder.path, 0o755)
    #expect(try run(nobody + ["id", "-u"]).stdout == "65534\n")
    try refused(
      nobody + jobs.saving("run"), "cannot make \(jobs.path("run"))/checkpoints: Permission denied",
      "--run DIR")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
    // A run that may be read, and then one whose checkpoints alone may not be written.
    for open in [[], ["", "/run.lock", "/metrics.jsonl", "/recipe.yaml"]] {
      #expect(try run(jobs.saving("run", ["--max-steps", "0"])).status == 0)
      for name in open { chmod(jobs.path("run") + name, 0o777) }
      try refused(
        nobody + jobs.saving("run", ["--resume"]),
        jobs.path("run") + (open.isEmpty ? "/run.lock" : "/checkpoints"), "Permission denied")
      try FileManager.default.removeItem(atPath: jobs.path("run"))
    }
  }

  @Test(
    .enabled(if: canInject, Comment(rawValue: cannotInject)),
    arguments: [
      ("/checkpoints", "mkdir"), ("/run.lock", "openat"), ("/metrics.jsonl", "openat"),
      ("/checkpoints/.tmp-probe", "mkdir"), ("/recipe.yaml.tmp", "openat"),
    ])
  func readOnlyFileSystemIsRefused(place: String, call: String) throws {
    let path = jobs.path("run") + place
    try refused(
      strace(jobs.saving("run"), paths: [path], inject: "\(call):error=EROFS"),
      jobs.path("run"), "Read-only file system")
  }
}

/// What is in the place of a run's files and leads elsewhere (row 37).
@Suite struct ForeignEntryTests {
  let jobs = Jobs.saving()

  static let places = [
    "run.lock", "metrics.jsonl", "recipe.yaml", "recipe.yaml.tmp", "checkpoints",
    "checkpoints/step-00000004", "checkpoints/.tmp-step-00000004",
  ]

  private func expectUntouched(_ path: String, at location: SourceLocation = #_sourceLocation)
    throws
  {
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: path) == ["mine"],
      sourceLocation: location)
    #expect(contents(path + "/mine") == Array("mine".utf8), sourceLocation: location)
  }

  @Test(arguments: places)
  func symbolicLinkIsNotFollowed(place: String) throws {
    jobs.folder.write("elsewhere/mine", "mine")
    let isFolder = place.hasPrefix("checkpoints")
    let link = jobs.path("run") + "/" + place
    let target = jobs.path("elsewhere") + (isFolder ? "" : "/mine")
    mkdir(jobs.path("run"), 0o700)
    if place.contains("/") { mkdir(jobs.path("run") + "/checkpoints", 0o700) }
    symlink(target, link)
    expectError(try run(jobs.saving("run")), 73, "\(link) is a symbolic link")
    try expectUntouched(jobs.path("elsewhere"))
    // Dangling, and in a run that goes on.
    unlink(link)
    try FileManager.default.removeItem(atPath: jobs.path("run"))
    #expect(try run(jobs.saving("run", ["--max-steps", "8"])).status == 0)
    try FileManager.default.removeItem(atPath: jobs.path("elsewhere"))
    try? FileManager.default.removeItem(atPath: link)
    symlink(target, link)
    expectError(try run(jobs.saving("run", ["--resume"])), 73, "\(link) is a symbolic link")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("elsewhere")))
  }

  @Test func allRanksEndWhereALinkIsFound() throws {
    jobs.folder.write("elsewhere/mine", "mine")
    mkdir(jobs.path("run"), 0o700)
    symlink(jobs.path("elsewhere"), jobs.path("run") + "/checkpoints")
    expectError(
      try mpirun(ranks: 3, jobs.saving("run", ["--shards", "4"])), 73,
      "\(jobs.path("run"))/checkpoints is a symbolic link")
    try expectUntouched(jobs.path("elsewhere"))
  }

  /// Put there while the run runs.
  @Test func linkInTheWayOfASaveIsNotFollowed() throws {
    let program = try StartedProgram(
      jobs.saving("run", ["--epochs", "1000000", "--checkpoint-every", "100000000"]))
    let deadline = Date() + 120
    while (try? jobs.steps("run").count) ?? 0 < 5, Date() < deadline { usleep(2000) }
    jobs.folder.write("elsewhere/mine", "mine")
    let checkpoints = jobs.path("run") + "/checkpoints"
    try FileManager.default.removeItem(atPath: checkpoints)
    symlink(jobs.path("elsewhere"), checkpoints)
    program.send(SIGTERM)
    expectError(try program.outcome(), 73, "\(checkpoints) is a symbolic link")
    try expectUntouched(jobs.path("elsewhere"))
  }

  @Test func otherThingsInTheWayAreNamed() throws {
    mkdir(jobs.path("run"), 0o700)
    mkfifo(jobs.path("run") + "/metrics.jsonl", 0o600)
    expectError(
      try run(jobs.saving("run")), 73, "\(jobs.path("run"))/metrics.jsonl is not a regular file")
    unlink(jobs.path("run") + "/metrics.jsonl")
    jobs.folder.write("run/checkpoints/latest/mine", "mine")
    expectError(
      try run(jobs.saving("run")), 73,
      "\(jobs.path("run"))/checkpoints/latest is not a symbolic link")
    try expectUntouched(jobs.path("run") + "/checkpoints/latest")
  }
}

/// Names that climb out of where they belong (row 38).
@Suite struct ClimbingNameTests {
  let jobs = Jobs.saving()

  @Test(arguments: ["../../outside", "/etc/passwd", "a/../../outside"])
  func nameOfATensorIsRefused(name: String) throws {
    let header = "{\"\(name)\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
    let count = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    let file = jobs.folder.write(
      "init.safetensors", count + Array(header.utf8) + [0, 0, 0, 0])
    expectError(
      try run(jobs.saving("run", ["--init", file])), 65, file, name,
      "leads out of its folder")
  }

  /// The digest of the state is right: whoever made it wanted that.
  @Test(
    .enabled(if: canInject, Comment(rawValue: cannotInject)),
    arguments: ["../../../outside", "/etc/shadow"])
  func nameOfAFileInAStateIsRefused(name: String) throws {
    #expect(try run(jobs.saving("run", ["--max-steps", "4"])).status == 0)
    let outside = jobs.folder.write("outside", "mine")
    let path = jobs.checkpoint("run", 4) + "/state.json"
    var state = try JSONDecoder().decode(CheckpointState.self, from: Data(contents(path)))
    state.files[name] = state.files["model.safetensors"]
    state.digest = state.expectedDigest
    jobs.folder.write(
      "run/checkpoints/step-00000004/state.json",
      String(decoding: try JSONEncoder().encode(state), as: UTF8.self) + "\n")
    let outcome = try run(
      strace(
        jobs.saving("run", ["--resume"]), paths: [outside, "/etc/shadow"], calls: "%file",
        log: jobs.path("log")))
    expectError(outcome, 65, "\(path) names \(name), which is no file of a checkpoint")
    #expect(loggedCalls(jobs.path("log")).isEmpty)
    #expect(contents(outside) == Array("mine".utf8))
  }

  @Test func nameOfARecipeIsRefused() throws {
    jobs.folder.write(
      "climbing.yaml", Jobs.petsRecipe.replacingOccurrences(of: "name: pets", with: "name: ../../x")
    )
    expectError(try jobs.command(["climbing.yaml"]), 64, "name: ../../x is not allowed")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("runs")))
  }
}

/// What is left of a run that ended, or that did not get to end (rows 34, 36, 39).
@Suite struct RunLeftoverTests {
  let jobs = Jobs.saving()

  @Test func completedRunSaysThatItIsAndMakesNoStep() throws {
    try jobs.saveWhole()
    let bits = try jobs.bits("whole")
    let outcome = try run(jobs.saving("whole", ["--resume"]))
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.stdout.contains("the run was complete already: no step was left to make"))
    #expect(try jobs.steps("whole").count == 21 && jobs.bits("whole") == bits)
    #expect(try !run(jobs.saving("other")).stdout.contains("complete already"))
  }

  /// As kill -9 leaves it in the middle of a save, of a removal, of a link and of a line.
  @Test func runThatWasKilledIsCleanedAndGoesOn() throws {
    try jobs.saveWhole()
    #expect(try run(jobs.saving("run", ["--max-steps", "8"])).status == 0)
    for name in [
      ".tmp-step-00000012/model.safetensors", ".tmp-step-00000002-older/state.json",
    ] { jobs.folder.write("run/checkpoints/" + name, "half") }
    symlink("step-00000012", jobs.path("run") + "/checkpoints/.tmp-latest")
    jobs.folder.write("run/checkpoints/.tmp-mine", "mine")
    jobs.folder.write("run/recipe.yaml.tmp", "half")
    jobs.folder.write("run/run.lock", "pid 1 on host elsewhere\n")
    let log = contents(jobs.path("run") + "/metrics.jsonl")
    jobs.folder.write("run/metrics.jsonl", log + Array("{\"event\":\"st".utf8))
    let outcome = try run(jobs.saving("run", ["--resume"]))
    #expect(outcome.status == 0 && outcome.stdout.contains("resumed at step 8 of 21"), "\(outcome)")
    #expect(
      try jobs.entries("run") == [
        ".tmp-mine", "latest", "step-00000016", "step-00000020", "step-00000021",
      ])
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run") + "/recipe.yaml.tmp"))
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    #expect(try jobs.steps("run").map(\.step) == Array(1...21))
  }

  /// Killed for real, whatever it is doing.
  @Test func runThatIsKilledWhileItSavesGoesOn() throws {
    let long = ["--epochs", "3000", "--checkpoint-every", "1"]
    let program = try StartedProgram(jobs.saving("run", long))
    let deadline = Date() + 120
    while (try? jobs.savedSteps("run").count) ?? 0 < 20, Date() < deadline { usleep(1000) }
    program.send(SIGKILL)
    #expect(try program.outcome().status == 137)
    let saved = try #require(try jobs.savedSteps("run").last)
    let newest = try #require(try jobs.newestStep("run"))
    #expect(newest >= saved && newest <= saved + 2)
    let end = ["--max-steps", "\(newest + 5)"]
    try jobs.saveWhole(long + end)
    try jobs.expectToGoOn("run", long + end)
  }

  /// While a run runs: its temporary files are not another's to clean.
  @Test func runInUseIsNotCleaned() throws {
    let program = try StartedProgram(
      jobs.saving("run", ["--epochs", "1000000", "--checkpoint-every", "100000000"]))
    let deadline = Date() + 120
    while (try? jobs.steps("run").count) ?? 0 < 5, Date() < deadline { usleep(2000) }
    let file = jobs.folder.write("run/checkpoints/.tmp-step-00000099/model.safetensors", "half")
    for more in [[], ["--resume"]] {
      expectError(
        try run(jobs.saving("run", more)), 73,
        "is in use by another run (pid \(program.processIdentifier) on host \(ProcessInfo.processInfo.hostName))"
      )
    }
    #expect(FileManager.default.fileExists(atPath: file))
    program.send(SIGTERM)
    #expect(try program.outcome().status == 75)
    #expect(try jobs.steps("run").map(\.step) == Array(1...jobs.state("run").step))
  }

  /// Files of the far future and past: the step decides.
  @Test func timesOfFilesDecideNothing() throws {
    try jobs.saveWhole()
    #expect(try run(jobs.saving("run", ["--max-steps", "12"])).status == 0)
    for (step, date) in [(4, "2037-01-01"), (8, "2001-01-01"), (12, "1971-01-01")] {
      let outcome = try run([
        "find", jobs.checkpoint("run", step), "-exec", "touch", "-d", date, "{}", "+",
      ])
      #expect(outcome.status == 0, "\(outcome)")
    }
    for file in ["run.lock", "metrics.jsonl", "recipe.yaml"] {
      #expect(try run(["touch", "-d", "2037-01-01", jobs.path("run") + "/" + file]).status == 0)
    }
    let outcome = try run(jobs.saving("run", ["--resume"]))
    #expect(
      outcome.status == 0 && outcome.stdout.contains("resumed at step 12 of 21"), "\(outcome)")
    #expect(jobs.checkpoints("run") == ["step-00000016", "step-00000020", "step-00000021"])
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }
}

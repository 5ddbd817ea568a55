import Foundation
import TestSupport
import Testing
import Training

@Suite struct RunDirectoryTests {
  let folder = TemporaryFolder()

  /// Each kind of place a new run can be given.
  @Test func newAndEmptyPlacesAreTaken() throws {
    mkdir(folder.path + "/empty", 0o700)
    folder.write("failed/run.lock", "pid 1 on host h\n")
    for name in ["new", "empty", "failed", "new/in/new"] {
      for resume in [false, true] {
        try RunDirectory.check(folder.path + "/" + name, resume: resume)
      }
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/new"))
  }

  /// What a run leaves that was killed before it wrote its recipe.
  @Test func placeOfARunThatNeverBeganIsTaken() throws {
    for file in ["run.lock", "metrics.jsonl", "recipe.yaml.tmp"] { folder.write("run/" + file, "") }
    mkdir(folder.path + "/run/checkpoints", 0o700)
    for resume in [false, true] { try RunDirectory.check(folder.path + "/run", resume: resume) }
    _ = try RunDirectory(opening: folder.path + "/run", resume: false)
  }

  /// Also where the run appeared between the first check and the lock.
  @Test func openingChecksAgainUnderTheLock() throws {
    folder.write("run/recipe.yaml", "name: x\n")
    expectFailure(.cannotCreate, "\(folder.path)/run already holds a run", remedy: "--resume") {
      _ = try RunDirectory(opening: folder.path + "/run", resume: false)
    }
    _ = try RunDirectory(opening: folder.path + "/run", resume: true)
  }

  @Test func placeThatHoldsARunIsTakenWithResumeOnly() throws {
    folder.write("run/recipe.yaml", "name: x\n")
    #expect(RunDirectory.holdsRun(folder.path + "/run"))
    try RunDirectory.check(folder.path + "/run", resume: true)
    expectFailure(.cannotCreate, "\(folder.path)/run already holds a run", remedy: "--resume") {
      try RunDirectory.check(folder.path + "/run", resume: false)
    }
  }

  @Test(arguments: [false, true])
  func placeWithOtherThingsInItIsRefused(resume: Bool) {
    folder.write("home/notes.txt", "mine")
    expectFailure(
      .cannotCreate, "\(folder.path)/home is not empty and holds no run", remedy: "--run DIR"
    ) { try RunDirectory.check(folder.path + "/home", resume: resume) }
    folder.write("hidden/.profile", "mine")
    expectFailure(.cannotCreate, "\(folder.path)/hidden is not empty") {
      try RunDirectory.check(folder.path + "/hidden", resume: resume)
    }
  }

  @Test func placesThatAreNoFolderAreRefused() {
    let file = folder.write("file", "mine")
    expectFailure(.cannotCreate, "\(file) is not a directory", remedy: "--run DIR") {
      try RunDirectory.check(file, resume: false)
    }
    expectFailure(.cannotCreate, "cannot use \(file)/run as run directory", "Not a directory") {
      try RunDirectory.check(file + "/run", resume: false)
    }
  }

  /// Not even root may make folders in /proc.
  @Test func placeThatCannotBeMadeIsNamed() {
    expectFailure(
      .cannotCreate, "cannot make /proc/nndist/checkpoints: No such file or directory",
      remedy: "--run DIR"
    ) { _ = try RunDirectory(opening: "/proc/nndist", resume: false) }
  }

  @Test func openRunIsLockedForEveryOtherProcess() throws {
    let path = folder.path + "/run"
    let tryLock = ["flock", "--nonblock", path + "/run.lock", "true"]
    do {
      let directory = try RunDirectory(opening: path, resume: false)
      #expect(try run(tryLock).status == 1)
      // flock belongs to the open file: a second opening of this very process meets it too.
      expectFailure(
        .cannotCreate, "\(path) is in use by another run (pid \(getpid()) on host ",
        remedy: "--run DIR"
      ) { _ = try RunDirectory(opening: path, resume: false) }
      _ = directory
    }
    #expect(try run(tryLock).status == 0)
    _ = try RunDirectory(opening: path, resume: false)
  }

  @Test func lockOfALongDeadProcessIsNoneAndIsRewritten() throws {
    let path = folder.path + "/run"
    folder.write("run/run.lock", "pid 99999999 on host some-very-long-host-name.example.org\n")
    let directory = try RunDirectory(opening: path, resume: false)
    let holder = String(decoding: contents(path + "/run.lock"), as: UTF8.self)
    #expect(holder == "pid \(getpid()) on host \(ProcessInfo.processInfo.hostName)\n")
    _ = directory
  }

  @Test(arguments: ["run.lock", "metrics.jsonl"])
  func symbolicLinksAreNotFollowed(name: String) {
    let other = folder.write("other", "mine")
    mkdir(folder.path + "/run", 0o700)
    symlink(other, folder.path + "/run/" + name)
    expectFailure(.cannotCreate, "\(folder.path)/run/\(name)") {
      _ = try RunDirectory(opening: folder.path + "/run", resume: false)
    }
    expectFailure(.cannotCreate, "\(folder.path)/run/\(name) is a symbolic link") {
      try RunDirectory.check(folder.path + "/run", resume: false)
    }
    #expect(contents(other) == Array("mine".utf8))
  }

  @Test func linesAreAppendedAlsoWhenOpenedAgain() throws {
    let path = folder.path + "/run"
    for event in ["first", "second"] {
      let directory = try RunDirectory(opening: path, resume: false)
      try directory.append(JSONLine(event: event))
      // On the disk at once, not when the run ends.
      #expect(
        String(decoding: contents(path + "/metrics.jsonl"), as: UTF8.self)
          .hasSuffix("{\"event\":\"\(event)\"}\n"))
    }
    #expect(contents(path + "/metrics.jsonl").filter { $0 == 10 }.count == 2)
  }
}

import Glibc
import System
import TestSupport
import Testing

@Suite struct ChildProgramTests {
  /// What a shell script writes, without the last line break.
  private func output(_ script: String, isJob: Bool = false) throws -> String {
    let file = try MemoryFile()
    let shell = try ChildProgram(["sh", "-c", script], output: file.path, isJob: isJob)
    #expect(shell.wait() == 0)
    return String(decoding: try file.contents(), as: UTF8.self).split(separator: "\n")
      .joined(separator: "\n")
  }

  @Test func exitStatusAndSignalAreTold() throws {
    #expect(try ChildProgram(["sh", "-c", "exit 7"]).wait() == 7)
    #expect(try ChildProgram(["sh", "-c", "kill -TERM $$"]).wait() == 128 + SIGTERM)
  }

  @Test func missingProgramIsAnError() {
    expectFailure(.inputMissing, "no-such-program", "No such file or directory") {
      _ = try ChildProgram(["no-such-program", "x"])
    }
    expectFailure(.ioError, "/etc/passwd", "Permission denied") {
      _ = try ChildProgram(["/etc/passwd"])
    }
  }

  @Test(arguments: [false, true]) func openFilesAreNotInherited(isJob: Bool) throws {
    let open = fcntl(0, F_DUPFD, 400)
    defer { close(open) }
    try #require(open >= 400 && fcntl(open, F_GETFD) & FD_CLOEXEC == 0)
    let files = try output("for n in 0 1 2 \(open); do test -e /proc/$$/fd/$n && echo $n; done; :")
    #expect(files.split(separator: "\n") == ["0", "1", "2"])
  }

  @Test func standardFilesAreThoseGiven() throws {
    // Longer than a block of the reading.
    let text = (0..<20_000).map { "\($0)\n" }.joined()
    let input = try MemoryFile(Array(text.utf8))
    let (output, errors) = (try MemoryFile(Array("old".utf8)), try MemoryFile())
    let shell = try ChildProgram(
      ["sh", "-c", "cat; echo bad >&2"], input: input.path, output: output.path,
      errors: errors.path)
    #expect(shell.wait() == 0)
    #expect(String(decoding: try output.contents(), as: UTF8.self) == text)
    #expect(try errors.contents() == Array("bad\n".utf8))
    // Not this process's own.
    #expect(try self.output("cat; readlink /proc/$$/fd/0") == "/dev/null")
  }

  @Test func environmentIsAddedTo() throws {
    let file = try MemoryFile()
    let shell = try ChildProgram(
      ["sh", "-c", "echo $HOME $ND_ADDED; env | grep -c '^HOME='; env | grep -c '^PATH='"],
      environment: ["HOME": "elsewhere", "ND_ADDED": "a=b"], output: file.path)
    #expect(shell.wait() == 0)
    #expect(String(decoding: try file.contents(), as: UTF8.self) == "elsewhere a=b\n1\n1\n")
  }

  /// Ctrl-C goes to a group, and nohup holds for what is started.
  @Test func onlyAJobHasItsOwnGroupAndSignals() throws {
    let group = "cut -d ' ' -f 5 /proc/$$/stat"
    #expect(try output(group) == "\(getpgrp())")
    #expect(try output("test $(\(group)) = $$ && echo own", isJob: true) == "own")

    var (blocked, before) = (sigset_t(), sigset_t())
    sigfillset(&blocked)
    pthread_sigmask(SIG_SETMASK, &blocked, &before)
    let ignored = [SIGUSR2, SIGPIPE, SIGXFSZ]
    let handlers = ignored.map { signal($0, SIG_IGN) }
    defer {
      for (number, handler) in zip(ignored, handlers) { signal(number, handler) }
      pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    func mask(_ name: String, isJob: Bool) throws -> UInt64? {
      let line = try output("grep \(name) /proc/self/status", isJob: isJob)
      return line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
    }
    for isJob in [false, true] { #expect(try mask("SigBlk", isJob: isJob) == 0) }
    // Of all: glibc's posix_spawn ignores two of its own.
    func ignoredOnes(isJob: Bool) throws -> [Int32] {
      let bits = try #require(try mask("SigIgn", isJob: isJob))
      return ignored.filter { bits >> UInt64($0 - 1) & 1 == 1 }
    }
    #expect(try ignoredOnes(isJob: true) == [])
    #expect(try ignoredOnes(isJob: false) == [SIGUSR2])
  }
}

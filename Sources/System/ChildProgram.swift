import CSystem
import Glibc

/// A child process that runs another program.
///
/// Foundation's Process is not used, because its start can crash. In Swift 6.3 it copies a whole
/// `dirent`, with 256 bytes for the name, for each entry of /proc/self/fd. The copy of the last
/// entry can read past the end of the buffer that readdir filled: about one start in several
/// thousand ends in a segmentation fault.
package struct ChildProgram: Sendable {
  /// The process id.
  package let process: Int32

  /// Starts the program. It inherits stdin, stdout and stderr and no other open file.
  /// - Parameters:
  ///   - arguments: the program, as a path or as a name to find in PATH, followed by its arguments.
  ///   - environment: variables added to the environment of this process.
  ///   - input: the file that becomes its stdin.
  ///   - output, errors: the files that become its stdout and stderr, truncated first. nil: those
  ///     of this process.
  ///   - isJob: true: the program gets its own process group and ignores no signal, as when a shell
  ///     starts a job. false: Ctrl-C ends it together with this process.
  /// - Throws: `Failure(.inputMissing)` if the program or `input` does not exist,
  ///   `Failure(.ioError)` if the program cannot be started.
  package init(
    _ arguments: [String], environment: [String: String] = [:], input: String = "/dev/null",
    output: String? = nil, errors: String? = nil, isJob: Bool = false
  ) throws {
    let settings = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let words = arguments.map { strdup($0) } + [nil]
    let variables = settings.map { strdup($0) } + [nil]
    defer { for text in words + variables { free(text) } }
    var process: Int32 = 0
    let status = nd_start_program(&process, words, variables, input, output, errors, isJob ? 1 : 0)
    guard status == 0 else {
      throw Failure(
        status == ENOENT ? .inputMissing : .ioError,
        "cannot start '\(arguments.joined(separator: " "))': \(String(cString: strerror(status)))")
    }
    self.process = process
  }

  /// Waits until the program ends. Call it once.
  /// - Returns: the exit status; 128 + n if signal n ended the program; -1 if the system does not
  ///   report a status.
  package func wait() -> Int32 { nd_wait_for_program(process) }
}

import CSystem
import Glibc

/// Another program, started by this one.
///
/// Not Foundation's Process: in Swift 6.3 its start copies a whole `dirent`, 256 bytes of name, for each
/// entry of /proc/self/fd. The last one's may reach behind what readdir has read into, and of hundreds of
/// starts one in some thousands then ends in a segmentation fault.
package struct ChildProgram: Sendable {
  /// Its number.
  package let process: Int32

  /// Starts it; it gets the standard files and no other open one.
  /// - Parameters:
  ///   - arguments: the program, by path or by its name in PATH, and its arguments.
  ///   - environment: added to this process's own.
  ///   - input: a file for its stdin.
  ///   - output, errors: files for its stdout and stderr, emptied first; nil: this process's own.
  ///   - isJob: in a process group of its own and no signal ignored, as a shell starts a job. Else Ctrl-C
  ///     ends it with this process.
  /// - Throws: Failure: .inputMissing where there is no such program (or input), .ioError where it cannot
  ///   be started.
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

  /// Waits for its end; called once.
  /// - Returns: its exit status; 128 + n when signal n ended it; -1 where the system does not tell.
  package func wait() -> Int32 { nd_wait_for_program(process) }
}

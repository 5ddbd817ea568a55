import Glibc

/// The whole program: reads the process's arguments, runs the command they name, and ends the process
/// with its status.
///
/// In a library, so that a test's program can be the same but for one thing.
public func runProgram() -> Never {
  // A standard stream that is closed leaves its number to the next file opened, which would then get
  // all that is printed: nothing is put in its place.
  while true {
    let descriptor = open("/dev/null", O_RDWR)
    if descriptor > STDERR_FILENO { close(descriptor) }
    if descriptor < 0 || descriptor > STDERR_FILENO { break }
  }
  exit(Session().run(Array(CommandLine.arguments.dropFirst())))
}

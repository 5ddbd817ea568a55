import Glibc

/// Starts a POSIX thread that runs `body`, to be joined.
///
/// `body` is kept as long as the thread runs; what it captures strongly is, too.
/// - Precondition: the system has room for a thread.
package func startThread(_ name: String, _ body: @escaping () -> Void) -> pthread_t {
  var thread = pthread_t()
  let status = pthread_create(
    &thread, nil,
    { argument in
      Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
      return nil
    }, Unmanaged.passRetained(ThreadBody(run: body)).toOpaque())
  require(status == 0, "\(name) could not be started: \(String(cString: strerror(status)))")
  return thread
}

private final class ThreadBody {
  let run: () -> Void
  init(run: @escaping () -> Void) { self.run = run }
}

import CSystem
import Glibc

/// Starts a thread that runs `body`, to be joined. Where the system has no memory for one, or allows
/// no more of them, the process ends and says so.
///
/// `body` is kept as long as the thread runs; what it captures strongly is, too.
/// - Parameter name: of what the thread does, for messages.
package func startThread(_ name: String, _ body: @escaping () -> Void) -> pthread_t {
  var thread = pthread_t()
  let status = pthread_create(
    &thread, nil,
    { argument in
      Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
      return nil
    }, Unmanaged.passRetained(ThreadBody(run: body)).toOpaque())
  // What a stack without memory is, too (pthread_create(3)).
  if status == EAGAIN { nd_out_of_memory("\(name) could not be started (ulimit -v, ulimit -u)") }
  require(status == 0, "\(name) could not be started: \(String(cString: strerror(status)))")
  return thread
}

private final class ThreadBody {
  let run: () -> Void
  init(run: @escaping () -> Void) { self.run = run }
}

import CSystem
import Glibc

/// Starts a thread that runs `body`. The caller must join it. If the system has no memory for
/// another thread, or allows no more, the process ends with a message.
///
/// `body` and everything it captures strongly live as long as the thread runs.
/// - Parameter name: says in messages what the thread does.
package func startThread(_ name: String, _ body: @escaping () -> Void) -> pthread_t {
  var thread = pthread_t()
  let status = pthread_create(
    &thread, nil,
    { argument in
      Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
      return nil
    }, Unmanaged.passRetained(ThreadBody(run: body)).toOpaque())
  // Also returned if there is no memory for the stack (pthread_create(3)).
  if status == EAGAIN { nd_out_of_memory("\(name) could not be started (ulimit -v, ulimit -u)") }
  require(status == 0, "\(name) could not be started: \(String(cString: strerror(status)))")
  return thread
}

private final class ThreadBody {
  let run: () -> Void
  init(run: @escaping () -> Void) { self.run = run }
}

import CKernels
import Glibc

/// Starts a thread that runs `body` with `context`. Where the system has no memory for one, or allows
/// no more of them, the process ends and says so.
/// - Parameter name: of what the thread does, for messages.
package func startThread(
  _ name: String, _ context: UnsafeMutableRawPointer,
  _ body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?
) -> pthread_t {
  var thread = pthread_t()
  let status = pthread_create(&thread, nil, body, context)
  // What a stack without memory is, too (pthread_create(3)).
  if status == EAGAIN { nd_out_of_memory("\(name) could not be started (ulimit -v, ulimit -u)") }
  require(status == 0, "\(name) could not be started: \(String(cString: strerror(status)))")
  return thread
}

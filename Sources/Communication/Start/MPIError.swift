import CMPI
import System
import Tensors

/// An MPI call that failed on this rank. The other ranks may not know of it: outside
/// `Communicator.agree`, end the job with `Communicator.abort`.
public struct MPIError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The MPI function's name.
  public let function: String
  /// The error code that the function returned.
  public let code: Int32
  /// The MPI library's text for the code.
  public let text: String

  public var description: String { "\(function) failed: \(text) (MPI code \(code))" }
}

extension Failure {
  /// Keeps `error` if it is a Failure; turns any other error into a `.trainingFailed` that names
  /// `phase`.
  public init(_ error: any Error, during phase: String) {
    self = error as? Failure ?? Failure(.trainingFailed, "\(phase): \(error)")
  }
}

/// Throws MPIError if `code`, which `function` returned, is not MPI_SUCCESS.
func check(_ code: Int32, _ function: StaticString) throws {
  guard code != MPI_SUCCESS else { return }
  let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_ERROR_STRING) + 1)
  {
    buffer in
    buffer.initialize(repeating: 0)
    var length: Int32 = 0
    guard MPI_Error_string(code, buffer.baseAddress, &length) == MPI_SUCCESS else {
      return "unknown error"
    }
    return String(cString: buffer.baseAddress!)
  }
  throw MPIError(function: "\(function)", code: code, text: text)
}

/// Converts `count` to MPI's type.
/// - Precondition: it fits Int32.
func mpiCount(_ count: Int, _ function: StaticString) -> Int32 {
  guard let fitting = Int32(exactly: count) else {
    fatalError("\(function): a count of \(count) elements does not fit Int32")
  }
  return fitting
}

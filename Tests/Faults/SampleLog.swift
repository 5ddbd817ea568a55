import Foundation
import System
import Tensors

/// Which samples each step used, for launch/soak: a file for each process, with a line for each shard's
/// part of a step, "STEP epoch E shard S: ID ID ...". A line is one write, which the kernel has when the
/// process is killed.
///
/// NNDIST_SAMPLE_MILLISECONDS: how long each part takes longer, so that a kill meets training.
final class SampleLog: Sendable {
  private let file: Int32
  private let delay: UInt32

  init(_ folder: String) {
    file = open("\(folder)/\(getpid())", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    precondition(file >= 0, "NNDIST_SAMPLE_LOG: no file can be made in \(folder)")
    let text = ProcessInfo.processInfo.environment["NNDIST_SAMPLE_MILLISECONDS"] ?? "0"
    delay = UInt32(text)! * 1000
  }

  func note(_ visit: FaultPoint.Visit) -> FaultPoint.Fault? {
    guard visit.site == "samples" else { return nil }
    for (name, tensor) in visit.tensors() {
      let ids = tensor.values(Int64.self).map(String.init).joined(separator: " ")
      let line = Array("\(visit.step) \(name): \(ids)\n".utf8)
      guard write(file, line, line.count) == line.count else { fatalError("NNDIST_SAMPLE_LOG") }
    }
    usleep(delay)
    return nil
  }
}

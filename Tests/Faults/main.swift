// nndist, but for one fault: NNDIST_FAULT=kind:rank:step:site says what goes wrong on which rank when
// it comes to `site` at training step `step`; with a plus, as in 3+, at that step and all after it; with
// another step, as in 3-5, at all from the one to the other.
//
// Sites: load, forward, backward, sum, update, evaluate, save, and what an agreement is about, such as
// evaluating.
//
//   skip    leaves the collective out: sum, or an agreement
//   count, type, operation    enters it with another count, element type or operation: sum, agreement,
//           broadcast, allgather...
//   flip    flips the lowest bit of the middle element's first byte of the tensor called `site`, after
//           the update of that step
//   nan     makes the first element of the gradient called `site` no number, or of the loss
//   error   fails, where a place can: load, update, evaluate, save
//   kill, stop     gets SIGKILL, SIGSTOP
//   trap, segv     breaks a contract, writes where no memory is
//   spin    never comes back
//   sleep=N sleeps N ms
//
// NNDIST_SAMPLE_LOG=folder: each process writes the samples of its steps there (SampleLog.swift).
// NNDIST_PEAK_MEMORY=file: the process writes there, at its end, how many bytes it had resident at most.
import Commands
import Foundation
import System
import Tensors

private struct Wanted {
  let kind: Substring
  let rank: Int
  let steps: ClosedRange<Int>
  let site: String

  init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 3)
    guard parts.count == 4, let rank = Int(parts[1]) else { return nil }
    let isOpen = parts[2].hasSuffix("+")
    let bounds = (isOpen ? parts[2].dropLast() : parts[2]).split(separator: "-").map { Int($0) }
    guard let first = bounds.first, let first, let last = bounds.last, let last, first <= last
    else { return nil }
    (kind, self.rank, site) = (parts[0], rank, String(parts[3]))
    steps = first...(isOpen ? Int.max : last)
  }
}

private func act(_ wanted: Wanted, _ visit: FaultPoint.Visit) -> FaultPoint.Fault? {
  guard visit.rank == wanted.rank, wanted.steps.contains(visit.step) else { return nil }
  switch wanted.kind {
  case "flip":
    if visit.site == "update" { flip(wanted.site, of: visit.tensors()) }
    return nil
  case "nan":
    if visit.site == (wanted.site == "loss" ? "forward" : "backward") {
      tensor(wanted.site, of: visit.tensors()).pointer(Float.self).pointee = .nan
      return .damaged
    }
    return nil
  default: break
  }
  guard visit.site == wanted.site else { return nil }
  switch wanted.kind {
  case "skip": return .skip
  case "count": return .otherCount
  case "type": return .otherType
  case "operation": return .otherOperation
  case "error": return .error
  case "kill": kill(getpid(), SIGKILL)
  case "stop": kill(getpid(), SIGSTOP)
  case "trap": fatalError("a test asked for a trap")
  case "segv": UnsafeMutablePointer<UInt8>(bitPattern: 8)!.pointee = 1
  case "spin": while getppid() >= 0 {}
  case let kind where kind.hasPrefix("sleep="): usleep(UInt32(kind.dropFirst(6))! * 1000)
  default: fatalError("NNDIST_FAULT: no kind \(wanted.kind)")
  }
  return nil
}

private func tensor(_ name: String, of tensors: [(name: String, tensor: Tensor)]) -> Tensor {
  guard let tensor = tensors.first(where: { $0.name == name })?.tensor else {
    fatalError("NNDIST_FAULT: no tensor \(name) among \(tensors.map(\.name))")
  }
  return tensor
}

private func flip(_ name: String, of tensors: [(name: String, tensor: Tensor)]) {
  let tensor = tensor(name, of: tensors)
  let bytes = tensor.rawPointer.assumingMemoryBound(to: UInt8.self)
  bytes[tensor.elementCount / 2 * tensor.dtype.byteCount] ^= 1
}

if let text = ProcessInfo.processInfo.environment["NNDIST_FAULT"] {
  guard let wanted = Wanted(text) else { fatalError("NNDIST_FAULT: \(text) is no fault") }
  FaultPoint.install { act(wanted, $0) }
}
if let folder = ProcessInfo.processInfo.environment["NNDIST_SAMPLE_LOG"] {
  let log = SampleLog(folder)
  FaultPoint.install { log.note($0) }
}
if getenv("NNDIST_PEAK_MEMORY") != nil { atexit { writePeakMemory() } }
runProgram()

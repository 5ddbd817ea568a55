// nndist, but for one fault: NNDIST_FAULT=kind:rank:step:site says what goes wrong on which rank when
// it comes to `site` at training step `step`.
//
//   skip    leaves the collective out: sum, or what an agreement is about, such as evaluating
//   count, type, operation    enters it with another count, element type or operation: sum, agreement,
//           broadcast, allgather...
//   flip    flips the lowest bit of the middle element's first byte of the tensor called `site`, after
//           the update of that step
//
// NNDIST_SAMPLE_LOG=folder: each process writes the samples of its steps there (SampleLog.swift).
// NNDIST_PEAK_MEMORY=file: the process writes there, at its end, how many bytes it had resident at most.
import Commands
import Foundation
import TensorCore

private struct Wanted {
  let kind: Substring
  let rank: Int
  let step: Int
  let site: String

  init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 3)
    guard parts.count == 4, let rank = Int(parts[1]), let step = Int(parts[2]) else { return nil }
    (kind, self.rank, self.step, site) = (parts[0], rank, step, String(parts[3]))
  }
}

private func act(_ wanted: Wanted, _ visit: FaultPoint.Visit) -> FaultPoint.Fault? {
  guard visit.rank == wanted.rank, visit.step == wanted.step else { return nil }
  if wanted.kind == "flip" {
    if visit.site == "update" { flip(wanted.site, of: visit.tensors()) }
    return nil
  }
  guard visit.site == wanted.site else { return nil }
  switch wanted.kind {
  case "skip": return .skip
  case "count": return .otherCount
  case "type": return .otherType
  case "operation": return .otherOperation
  default: fatalError("NNDIST_FAULT: no kind \(wanted.kind)")
  }
}

private func flip(_ name: String, of tensors: [(name: String, tensor: Tensor)]) {
  guard let tensor = tensors.first(where: { $0.name == name })?.tensor else {
    fatalError("NNDIST_FAULT: no tensor \(name) among \(tensors.map(\.name))")
  }
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

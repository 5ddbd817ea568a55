import Foundation

/// Not by way of getrusage: its figure outlives exec, so a child begins with its parent's.
func writePeakMemory() {
  let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
  guard
    let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({
      Int($0)
    }),
    let path = ProcessInfo.processInfo.environment["NNDIST_PEAK_MEMORY"]
  else { fatalError("NNDIST_PEAK_MEMORY: no figure") }
  try? "\(kilobytes * 1024)".write(toFile: path, atomically: false, encoding: .utf8)
}

/// The most memory this process ever had resident. Not getrusage's figure: that one outlives exec,
/// so a child begins with its parent's.
public func peakMemoryBytes() -> Int {
  let status = String(decoding: contents("/proc/self/status"), as: UTF8.self)
  let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
  return line!.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap {
    Int($0)
  }! * 1024
}

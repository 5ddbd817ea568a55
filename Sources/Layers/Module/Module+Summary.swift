extension Module {
  /// The module's description, in the format that PyTorch prints.
  public var summary: String {
    let children = Visitor(self).children.filter { !$0.module.isFunction }
    guard !children.isEmpty else { return "\(typeName)(\(extraDescription))" }
    var entries: [(name: String, first: String, count: Int, text: String)] = []
    for child in children {
      let text = child.module.summary
      if printsRepeatsTogether, let last = entries.last, last.text == text {
        entries[entries.count - 1].count += 1
        entries[entries.count - 1].name = "\(last.first)-\(child.name)"
      } else {
        entries.append((child.name, child.name, 1, text))
      }
    }
    var lines = ["\(typeName)("]
    for entry in entries {
      let inner = entry.text.split(separator: "\n", omittingEmptySubsequences: false)
      let times = entry.count > 1 ? "\(entry.count) x " : ""
      lines.append("  (\(entry.name)): \(times)\(inner[0])")
      lines += inner.dropFirst().map { "  \($0)" }
    }
    return (lines + [")"]).joined(separator: "\n")
  }
}

/// Formats a number as Python prints it: "0", "0.5", "1e-05".
func pythonNumber(_ value: Double) -> String {
  value == value.rounded() && abs(value) < 1e16 ? String(Int(value)) : "\(value)"
}

func pythonFlag(_ value: Bool) -> String { value ? "True" : "False" }

import Glibc

/// Formats `value` with a fixed number of digits after the decimal point.
package func fixed(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite else { return "\(value)" }
  let scale = pow(10, Double(digits))
  let scaled = (abs(value) * scale).rounded()
  guard scaled < 1e15 else { return "\(value)" }
  let whole = Int(scaled) / Int(scale)
  let fraction = String(Int(scaled) % Int(scale))
  let sign = value < 0 && scaled > 0 ? "-" : ""
  guard digits > 0 else { return "\(sign)\(whole)" }
  return "\(sign)\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// A count with its noun in the right number: "1 step", "2 steps".
package func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// Formats a duration as minutes and seconds, with hours if there are any; "?" if it is negative or
/// not finite.
package func clock(_ seconds: Double) -> String {
  guard seconds >= 0, let all = Int(exactly: seconds.rounded(.down)) else { return "?" }
  func two(_ n: Int) -> String { n < 10 ? "0\(n)" : "\(n)" }
  let tail = "\(two(all / 60 % 60)):\(two(all % 60))"
  return all >= 3600 ? "\(all / 3600):\(tail)" : tail
}

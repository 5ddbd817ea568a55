/// A system call in strace's log.
public struct SystemCall: Sendable {
  public let name: String
  /// Strings with their quotes taken off; the rest as strace shows it.
  public let arguments: [[UInt8]]
  /// nil where it failed.
  public let result: Int?

  public func text(_ index: Int) -> String { String(decoding: arguments[index], as: UTF8.self) }

  /// The option that makes strace log strings whole and as hexadecimal digits, so that they can be read.
  public static let options = ["-xx", "-s", "10000000"]

  /// The calls of a log that was made with `options`, in the order in which they ended.
  public static func parse(_ log: [Substring]) -> [SystemCall] {
    // What other threads did meanwhile cuts a call in two.
    var unfinished: [Substring: Substring] = [:]
    return log.compactMap { line in
      let thread = line.prefix { $0 != " " }
      var rest = line.dropFirst(thread.count).drop { $0 == " " }
      if rest.hasSuffix(" <unfinished ...>") {
        unfinished[thread] = rest.dropLast(" <unfinished ...>".count)
        return nil
      }
      if rest.hasPrefix("<... "), let end = rest.firstRange(of: " resumed>") {
        guard let begin = unfinished.removeValue(forKey: thread) else { return nil }
        rest = begin + rest[end.upperBound...]
      }
      return SystemCall(rest)
    }
  }

  private init?(_ line: Substring) {
    guard let open = line.firstIndex(of: "("), let equals = line.ranges(of: " = ").last,
      let close = line[..<equals.lowerBound].lastIndex(of: ")"), open < close
    else { return nil }
    name = String(line[..<open])
    result = Int(line[equals.upperBound...].prefix { $0 != " " }).flatMap { $0 < 0 ? nil : $0 }
    // Strings have no commas: all their bytes are digits.
    arguments = line[line.index(after: open)..<close].split(separator: ",").map { argument in
      let argument = argument.drop { $0 == " " }
      guard argument.hasPrefix("\"") else { return Array(argument.utf8) }
      return argument.dropFirst().prefix { $0 != "\"" }.split(separator: "\\x").map {
        UInt8($0, radix: 16)!
      }
    }
  }
}

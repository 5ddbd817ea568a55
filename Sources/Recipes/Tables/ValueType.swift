/// The type of a key's value. The reader, the writer and the schema all follow it.
package indirect enum ValueType: Sendable {
  case flag
  case text(TextRule)
  /// An integer, 0 ... UInt64.max.
  case seed
  case integer(ClosedRange<Int>)
  case number(NumberRange)
  case choice([String])
  /// One integer for both axes of an image, or [height, width].
  case pair(minimum: Int)
  /// A list of at least one item; `count`: of exactly this many.
  case list(ValueType, count: Int?)
  case fields([Field])
  /// A closure returns the table, so that a kind may hold others of its own table.
  case variant(@Sendable () -> VariantTable)
  /// A mapping from names that no table knows to one number or a list of numbers.
  case numbersByName
  case optional(ValueType)

  /// The maximum of a count: products of a few counts stay far from overflowing an Int.
  static let maximumCount = Int(Int32.max)
  static let count = ValueType.integer(1...maximumCount)
  static let nonNegative = ValueType.integer(0...maximumCount)
  static let anyInteger = ValueType.integer(-maximumCount...maximumCount)
  static let anyText = ValueType.text(.any)
  static let anyNumber = ValueType.number(.any)
}

/// Numbers from a minimum to a maximum; without either, all finite numbers.
package struct NumberRange: Sendable {
  var minimum: Double? = nil
  var maximum: Double? = nil
  var includesMinimum = true
  var includesMaximum = true
  var allowsInfinity = false

  static let any = NumberRange()
  static let nonNegative = NumberRange(minimum: 0)
  static let positive = NumberRange(minimum: 0, includesMinimum: false)
  /// 0 to 1.
  static let fraction = NumberRange(minimum: 0, maximum: 1)
  /// 0 to below 1.
  static let fractionBelowOne = NumberRange(minimum: 0, maximum: 1, includesMaximum: false)

  func contains(_ value: Double) -> Bool {
    guard value.isFinite else { return allowsInfinity }
    if let minimum, value < minimum || (value == minimum && !includesMinimum) { return false }
    if let maximum, value > maximum || (value == maximum && !includesMaximum) { return false }
    return true
  }

  /// The range as messages give it, such as "0 or more".
  var description: String {
    func shown(_ value: Double) -> String {
      value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
    }
    switch (minimum, maximum) {
    case (nil, nil): return "a finite number"
    case (let minimum?, nil):
      return includesMinimum ? "\(shown(minimum)) or more" : "above \(shown(minimum))"
    case (nil, let maximum?):
      return includesMaximum ? "\(shown(maximum)) or less" : "below \(shown(maximum))"
    case (let minimum?, let maximum?):
      return (includesMinimum ? "from " : "above ") + shown(minimum)
        + (includesMaximum ? " to " : " to below ") + shown(maximum)
    }
  }
}

/// A rule for texts.
package struct TextRule: Sendable {
  /// The rule as a regular expression, for the JSON schema; nil: any text.
  let pattern: String?
  /// The rule as messages give it.
  let description: String
  /// Whether a text follows the rule, for the reader.
  let allows: @Sendable (String) -> Bool

  static let any = TextRule(pattern: nil, description: "text") { _ in true }

  /// Names that are used in paths.
  static let plainName = TextRule(
    pattern: "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$", description: "letters, digits, '-', '_' and '.'"
  ) { name in
    !name.isEmpty && !name.hasPrefix(".")
      && name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "-_.".utf8.contains($0)
        }
      }
  }

  /// Names that are joined by dots to longer names.
  static let withoutDots = TextRule(pattern: "^[^.]+$", description: "a name without dots") {
    !$0.isEmpty && !$0.contains(".")
  }

  static let oneCharacter = TextRule(pattern: "^[\\s\\S]$", description: "one character") {
    $0.unicodeScalars.count == 1
  }

  static let notEmpty = TextRule(pattern: "[\\s\\S]", description: "a text with something in it") {
    !$0.isEmpty
  }
}

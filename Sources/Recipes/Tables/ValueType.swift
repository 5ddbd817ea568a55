/// What a key's value may be: the reader, the writer and the schema all go by it.
package indirect enum ValueType: Sendable {
  case flag
  case text(TextRule)
  /// A whole number, 0 ... UInt64.max.
  case seed
  case whole(ClosedRange<Int>)
  case number(NumberRange)
  case choice([String])
  /// One whole number for both axes of an image, or [height, width].
  case pair(least: Int)
  /// A list, of one item at least; `count`: of so many.
  case list(ValueType, count: Int?)
  case fields([Field])
  /// The table is asked for when it is needed, so that a kind may hold others of its own table.
  case variant(@Sendable () -> VariantTable)
  /// A mapping from names that no table knows to one number or a list of them.
  case numbersByName
  case optional(ValueType)

  /// The most that a count can be: products of a few stay far from what a machine word holds.
  static let most = Int(Int32.max)
  static let count = ValueType.whole(1...most)
  static let fromZero = ValueType.whole(0...most)
  static let anyWhole = ValueType.whole(-most...most)
  static let anyText = ValueType.text(.any)
  static let anyNumber = ValueType.number(.any)
}

/// Numbers from a least to a most; without either, any that are finite.
package struct NumberRange: Sendable {
  var least: Double? = nil
  var most: Double? = nil
  var holdsLeast = true
  var holdsMost = true
  var takesInfinity = false

  static let any = NumberRange()
  static let fromZero = NumberRange(least: 0)
  static let aboveZero = NumberRange(least: 0, holdsLeast: false)
  /// A share of something.
  static let share = NumberRange(least: 0, most: 1)
  static let belowOne = NumberRange(least: 0, most: 1, holdsMost: false)

  func holds(_ value: Double) -> Bool {
    guard value.isFinite else { return takesInfinity }
    if let least, value < least || (value == least && !holdsLeast) { return false }
    if let most, value > most || (value == most && !holdsMost) { return false }
    return true
  }

  var description: String {
    func shown(_ value: Double) -> String {
      value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
    }
    switch (least, most) {
    case (nil, nil): return "a finite number"
    case (let least?, nil): return holdsLeast ? "\(shown(least)) or more" : "above \(shown(least))"
    case (nil, let most?): return holdsMost ? "\(shown(most)) or less" : "below \(shown(most))"
    case (let least?, let most?):
      return (holdsLeast ? "from " : "above ") + shown(least) + (holdsMost ? " to " : " to below ")
        + shown(most)
    }
  }
}

/// Which texts are allowed.
package struct TextRule: Sendable {
  /// A regular expression of the whole text, both Swift's reader and JSON Schema's take it so; nil: any.
  let pattern: String?
  let description: String
  let holds: @Sendable (String) -> Bool

  static let any = TextRule(pattern: nil, description: "text") { _ in true }

  /// Names that become parts of paths.
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

  /// Names that a dotted name is made of.
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

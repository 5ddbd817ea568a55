/// A JSON object on one line. Fields are in the order in which they were added; numbers keep all
/// their digits.
package struct JSONLine {
  private var fields: [String] = []

  package init(event: String) { add("event", event) }

  package mutating func add(_ key: String, _ value: String) {
    fields.append("\(JSONLine.quoted(key)):\(JSONLine.quoted(value))")
  }
  package mutating func add(_ key: String, _ value: Int) {
    fields.append("\(JSONLine.quoted(key)):\(value)")
  }
  /// Swift writes the shortest decimal that reads back as the same number. NaN and infinity are
  /// written as null, because JSON does not have them.
  package mutating func add(_ key: String, _ value: Double) {
    fields.append("\(JSONLine.quoted(key)):\(value.isFinite ? "\(value)" : "null")")
  }
  package mutating func add(_ key: String, _ value: Float) {
    fields.append("\(JSONLine.quoted(key)):\(value.isFinite ? "\(value)" : "null")")
  }

  package var text: String { "{\(fields.joined(separator: ","))}\n" }

  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\u{0}"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

import Foundation

/// As a benchmark prints it: keys in snake_case, sorted.
func encodedJSON(_ report: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
  return String(decoding: try encoder.encode(report), as: UTF8.self)
}

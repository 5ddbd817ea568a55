import Foundation

/// The JSON that a benchmark prints: its keys are in snake_case and sorted.
func encodedJSON(_ report: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
  return String(decoding: try encoder.encode(report), as: UTF8.self)
}

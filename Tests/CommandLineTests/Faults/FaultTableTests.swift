import Foundation
import TestSupport
import Testing

/// The table of faults in Tests/README.md: what `launch/test --rows` runs.
@Suite struct FaultTableTests {
  private let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The cells of each row.
  private func rows() throws -> [[Substring]] {
    let text = try String(contentsOf: tests.appendingPathComponent("README.md"), encoding: .utf8)
    return text.split(separator: "\n").filter { $0.hasPrefix("|") }.dropFirst(2)
      .map { $0.split(separator: "|") }
  }

  @Test func everyFaultHasARow() throws {
    let numbers = try rows().flatMap { row in
      row[0].prefix { $0.isNumber || ", ".contains($0) }.split(separator: ",")
        .compactMap { Int($0.drop { $0 == " " }.prefix(while: \.isNumber)) }
    }
    #expect(Set(numbers) == Set(1...49))
  }

  /// The source of each suite, by name.
  private func suites() -> [Substring: Substring] {
    let names =
      FileManager.default.enumerator(atPath: tests.path)?.compactMap { $0 as? String } ?? []
    var found: [Substring: Substring] = [:]
    for name in names where name.hasSuffix("Tests.swift") {
      let text = String(decoding: contents(tests.path + "/" + name), as: UTF8.self)
      let heads = text.matches(of: #/struct (\w+Tests) \{/#)
      for (index, head) in heads.enumerated() {
        let next = index + 1 < heads.count ? heads[index + 1].range.lowerBound : text.endIndex
        found[head.1] = text[head.range.upperBound..<next]
      }
    }
    return found
  }

  @Test func everyTestOfTheTableExists() throws {
    let suites = suites()
    var count = 0
    for row in try rows() {
      var suite = Substring()
      for name in row[2].split(separator: "`") {
        guard let found = name.wholeMatch(of: #/(\w+Tests)?(?:/(\w+))?/#) else { continue }
        suite = found.1 ?? suite
        let source = try #require(suites[suite], "no suite \(suite): \(row[0])")
        guard let test = found.2 else { continue }
        #expect(source.contains("func \(test)("), "\(suite) has no \(test): \(row[0])")
        count += 1
      }
    }
    #expect(count > 60)
  }
}

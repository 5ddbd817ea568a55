import Foundation
import Testing
import Training

@Suite struct JSONLineTests {
  private struct Number<Value: Decodable>: Decodable {
    let value: Value
  }

  private func parsed(_ line: JSONLine) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(line.text.utf8))
    return try #require(object as? [String: Any])
  }

  @Test func fieldsStandInTheirOrderOnOneLine() {
    var line = JSONLine(event: "step")
    line.add("step", 7)
    line.add("loss", Float(0.1))
    line.add("lr", 0.001)
    #expect(line.text == "{\"event\":\"step\",\"step\":7,\"loss\":0.1,\"lr\":0.001}\n")
  }

  /// Every byte that UTF-8 has in one place, the characters JSON wants escaped, and some of each
  /// longer kind.
  @Test func anyTextReadsBackAndStaysOnItsLine() throws {
    let awkward =
      (0..<128).map { String(UnicodeScalar($0)!) }.joined() + "\"\\/ä€\u{2028}𝄞\u{FFFF}e\u{301}"
    var line = JSONLine(event: awkward)
    line.add(awkward, awkward)
    #expect(line.text.utf8.filter { $0 == 10 }.count == 1)
    #expect(line.text.utf8.allSatisfy { $0 >= 32 || $0 == 10 })
    let object = try parsed(line)
    #expect(
      Array((object["event"] as? String ?? "").unicodeScalars) == Array(awkward.unicodeScalars))
    #expect(object[awkward] as? String == awkward)
  }

  @Test(arguments: [
    0, -0.0, 0.1, 1 / 3, 1e-8, 1e16, 1.5e300, 5e-324, .greatestFiniteMagnitude,
    .leastNormalMagnitude,
    0.30000000000000004, 123_456_789_012_345_680,
  ])
  func doublesKeepAllTheirDigits(value: Double) throws {
    var line = JSONLine(event: "x")
    line.add("value", value)
    let read = try JSONDecoder().decode(Number<Double>.self, from: Data(line.text.utf8)).value
    #expect(read.bitPattern == value.bitPattern)
  }

  @Test(arguments: [0.1, 2.302585, 1e-45, .greatestFiniteMagnitude, 16_777_216, 1 / 3] as [Float])
  func floatsKeepAllTheirDigitsAndNoMore(value: Float) throws {
    var line = JSONLine(event: "x")
    line.add("value", value)
    #expect(try JSONDecoder().decode(Number<Float>.self, from: Data(line.text.utf8)).value == value)
    #expect(line.text.utf8.count <= "{\"event\":\"x\",\"value\":}\n".utf8.count + 15)
  }

  @Test func integersAreExact() throws {
    var line = JSONLine(event: "x")
    line.add("least", Int.min)
    line.add("most", Int.max)
    #expect(line.text.contains("\"least\":-9223372036854775808,\"most\":9223372036854775807"))
  }

  /// JSON has neither NaN nor infinity.
  @Test func whatIsNotFiniteIsNull() throws {
    var line = JSONLine(event: "x")
    line.add("a", Double.nan)
    line.add("b", -Double.infinity)
    line.add("c", Float.nan)
    line.add("d", Float.infinity)
    #expect(line.text == "{\"event\":\"x\",\"a\":null,\"b\":null,\"c\":null,\"d\":null}\n")
  }
}

import Datasets
import Glibc
import System
import TestSupport
import Testing

struct CSVReaderTests {
  let folder = TemporaryFolder()

  private func reader(
    _ text: String, target: String = "y", kind: TargetKind = .classIndex,
    _ change: (inout CSVOptions) -> Void = { _ in }
  ) throws -> CSVReader {
    var options = CSVOptions(targetColumn: target, targetKind: kind)
    change(&options)
    return try CSVReader(path: folder.write("data.csv", text), options: options)
  }

  @Test(arguments: ["\n", "\r\n"], ["", "\u{feff}"])
  func rowsAreSamples(newline: String, mark: String) throws {
    let lines = ["a,y,b", "1,2,-3.5e1", " 4 ,0,.5", "6,1,7"]
    for end in ["", newline, newline + newline] {
      let source = try reader(mark + lines.joined(separator: newline) + end)
      #expect(source.sampleCount == 3 && source.inputShape == [2] && source.targetShape == [])
      #expect(source.targetType == .classIndex(count: 3) && source.classNames == nil)
      #expect(source.inputColumns == ["a", "b"] && source.droppedCount == 0)
      let samples = try SamplesRead(source)
      #expect(samples.inputs == [1, -35, 4, 0.5, 6, 7])
      #expect(samples.targets == [2, 0, 1])
    }
  }

  @Test func samplesArePassedOver() throws {
    let text = "x,y\n" + (0..<50_000).map { "\($0),\($0 % 7)\n" }.joined()  // several buffers
    let samples = try SamplesRead(reader(text)) { $0 % 10_007 == 3 }
    #expect(samples.inputs == [3, 10010, 20017, 30024, 40031])
    #expect(samples.targets == [3, 0, 4, 1, 5])
  }

  @Test func quotedFieldsHoldSeparatorsQuotesAndLineEnds() throws {
    let text =
      "\"a\"\"1\",\"b,\nb\",y\n\"1\",2,\"yes, \"\"it\"\" is\"\n3,\"4\",\"no\nor\"\n5,6,\"\"\"\"\n"
    let source = try reader(text)
    #expect(source.inputColumns == ["a\"1", "b,\nb"])
    #expect(source.classNames == ["\"", "no\nor", "yes, \"it\" is"])
    #expect(try SamplesRead(source).targets == [2, 1, 0])
    // Line 1 and 2 are the header, 3 the first row, 4 and 5 the second.
    expectFailure(.badData, "data.csv:6: column \"a\"\"1\" has \"x\"".replacing("\"\"", with: "\""))
    {
      _ = try reader(text.replacing("5,6", with: "x,6"))
    }
  }

  @Test func columnsAndTargetAreChosenByNameOrNumber() throws {
    let text = "a,b,c\n1,2,3\n4,5,6\n"
    let chosen = try reader(text, target: "0", kind: .number) { $0.columns = ["c", "1"] }
    #expect(chosen.targetShape == [1] && chosen.targetType == .float32)
    #expect(chosen.classNames == nil)
    var samples = try SamplesRead(chosen)
    #expect(samples.inputs == [3, 2, 6, 5] && samples.targets == [1, 4])

    let bare = try reader("1;2;3\n4;5;6", target: "1", kind: .number) {
      $0.hasHeader = false
      $0.separator = ";"
    }
    #expect(bare.inputColumns == ["0", "2"])
    samples = try SamplesRead(bare)
    #expect(samples.inputs == [1, 3, 4, 6] && samples.targets == [2, 5])
  }

  @Test func classesAreWholeNumbersOrSortedTexts() throws {
    let numbers = try reader("x,y\n1,0\n1,5.0\n1,2\n")
    #expect(numbers.targetType == .classIndex(count: 6) && numbers.classNames == nil)
    #expect(try SamplesRead(numbers).targets == [0, 5, 2])

    let texts = try reader("x,y\n1,setosa\n1,Virginica\n1,10\n1,setosa\n1,é\n")
    #expect(texts.classNames == ["10", "Virginica", "setosa", "é"])
    #expect(texts.targetType == .classIndex(count: 4))
    #expect(try SamplesRead(texts).targets == [2, 1, 0, 2, 3])

    #expect(try reader("x,y\n1,-1\n1,1\n").classNames == ["-1", "1"])
  }

  @Test func anotherFileIsMappedByTheTrainingFilesClasses() throws {
    let options = CSVOptions(targetColumn: "y", targetKind: .classIndex)
    let path = folder.write("test.csv", "x,y\n1,b\n2,c\n")
    let mapped = try CSVReader(path: path, options: options, classNames: ["a", "b", "c"])
    #expect(mapped.classNames == ["a", "b", "c"] && mapped.targetType == .classIndex(count: 3))
    #expect(try SamplesRead(mapped).targets == [1, 2])
    expectFailure(
      .badData, "test.csv:3: column \"y\" has the class \"c\", which is none of \"a\", \"b\""
    ) {
      _ = try CSVReader(path: path, options: options, classNames: ["a", "b"])
    }
    let numbered = folder.write("numbered.csv", "x,y\n1,0\n2,4\n")
    let counted = try CSVReader(path: numbered, options: options, classCount: 9)
    #expect(counted.targetType == .classIndex(count: 9) && counted.classNames == nil)
    #expect(try SamplesRead(counted).targets == [0, 4])
    expectFailure(
      .badData, "numbered.csv:3: column \"y\" has the class \"4\", which is none of 0 ... 3"
    ) {
      _ = try CSVReader(path: numbered, options: options, classCount: 4)
    }
    expectFailure(.badData, "test.csv:2: column \"y\" has the class \"b\"") {
      _ = try CSVReader(path: path, options: options, classCount: 4)
    }
  }

  @Test(arguments: ["", "NA", "NaN", "null", "?", " nan "])
  func rowsThatLackAValueAreNamedOrDropped(missing: String) throws {
    let text = "a,b,y\n1,\(missing),0\n2,3,1\n4,5,\(missing)\n\(missing),6,1\n"
    expectFailure(
      .badData, "data.csv:2: column \"b\" has no value", remedy: "`missing: drop`"
    ) { _ = try reader(text) }
    let dropped = try reader(text) { $0.missing = .drop }
    #expect(dropped.sampleCount == 1 && dropped.droppedCount == 3)
    #expect(try SamplesRead(dropped).inputs == [2, 3])
    // What is not used may be missing.
    let used = try reader(text) {
      $0.missing = .drop
      $0.columns = ["a"]
    }
    #expect(try SamplesRead(used).inputs == [1, 2])
  }

  struct Malformed: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let text: String
    let message: String
    let remedy: String
    var status = Failure.Status.badData
    var change: @Sendable (inout CSVOptions) -> Void = { _ in }
  }

  static let malformed = [
    Malformed(testDescription: "empty", text: "", message: "data.csv is empty", remedy: "CSV"),
    Malformed(
      testDescription: "header alone", text: "x,y\n", message: "data.csv has no row",
      remedy: "samples"),
    Malformed(
      testDescription: "mark alone", text: "\u{feff}", message: "data.csv has no line",
      remedy: "data"),
    Malformed(
      testDescription: "all rows dropped", text: "x,y\n,1\n",
      message: "data.csv has no row that lacks no value",
      remedy: "samples", change: { $0.missing = .drop }),
    Malformed(
      testDescription: "short row", text: "x,y\n1,2\n3\n",
      message: "data.csv:3: 1 fields, where line 1 has 2", remedy: "as many fields"),
    Malformed(
      testDescription: "long row", text: "x,y\n1,2,3\n",
      message: "data.csv:2: 3 fields, where line 1 has 2", remedy: "quote a field"),
    Malformed(
      testDescription: "not a number", text: "x,y\n1,2\nabc,1\n",
      message: "data.csv:3: column \"x\" has \"abc\", which is not a number",
      remedy: "leave the column out"),
    Malformed(
      testDescription: "hexadecimal", text: "x,y\n0x10,2\n",
      message: "data.csv:2: column \"x\" has \"0x10\"", remedy: "mend"),
    Malformed(
      testDescription: "infinite", text: "x,y\ninf,2\n",
      message: "data.csv:2: column \"x\" has \"inf\"", remedy: "mend"),
    Malformed(
      testDescription: "decimal comma", text: "x;y\n1,5;2\n",
      message: "data.csv:2: column \"x\" has \"1,5\"", remedy: "mend",
      change: { $0.separator = ";" }),
    Malformed(
      testDescription: "too large", text: "x,y\n1e39,2\n",
      message: "data.csv:2: column \"x\" has \"1e39\", which float32 does not reach",
      remedy: "scale"),
    Malformed(
      testDescription: "too large for Double", text: "x,y\n1e999,2\n",
      message: "data.csv:2: column \"x\" has \"1e999\", which float32 does not reach",
      remedy: "scale"),
    Malformed(
      testDescription: "target no number", text: "x,y\n1,2\n1,a\n",
      message: "data.csv:3: column \"y\" has \"a\", which is not a number", remedy: "mend",
      change: { $0.targetKind = .number }),
    Malformed(
      testDescription: "unknown target", text: "x,z\n1,2\n",
      message: "data.csv has no target column \"y\"; it has \"x\", \"z\"",
      remedy: "a number in 0 ... 1"),
    Malformed(
      testDescription: "unknown column", text: "x,y\n1,2\n",
      message: "data.csv has no column \"w\"; it has \"x\", \"y\"", remedy: "one of these names",
      change: { $0.columns = ["w"] }),
    Malformed(
      testDescription: "column number too great", text: "1,2\n",
      message: "data.csv has no target column \"2\"; it has 2 columns and no header",
      remedy: "0 ... 1",
      change: {
        $0.hasHeader = false
        $0.targetColumn = "2"
      }),
    Malformed(
      testDescription: "target among inputs", text: "x,y\n1,2\n", message: "column \"y\" of ",
      remedy: "leave it out", status: .usage, change: { $0.columns = ["x", "1"] }),
    Malformed(
      testDescription: "column twice", text: "x,y\n1,2\n", message: "is an input twice",
      remedy: "once", status: .usage, change: { $0.columns = ["x", "0"] }),
    Malformed(
      testDescription: "no columns", text: "x,y\n1,2\n", message: "no column of ",
      remedy: "at least one", status: .usage, change: { $0.columns = [] }),
    Malformed(
      testDescription: "one column", text: "y\n1\n",
      message: "data.csv has one column, the target's", remedy: "separator"),
    Malformed(
      testDescription: "duplicate names", text: "x,y,x\n1,2,3\n",
      message: "data.csv:1: columns 0 and 2 are both called \"x\"", remedy: "rename"),
    Malformed(
      testDescription: "header of numbers", text: "1,2\n3,4\n",
      message: "data.csv:1: numbers, where the header's names are expected", remedy: "no header",
      change: { $0.targetColumn = "1" }),
    Malformed(
      testDescription: "open quote", text: "x,y\n1,2\n\"3,4\n5,6\n",
      message: "data.csv:3: the quote of field 1 is never closed", remedy: "close it"),
    Malformed(
      testDescription: "text after quote", text: "x,y\n\"1\"2,3\n",
      message: "data.csv:2: \"2\" after the closing quote of field 1", remedy: "double"),
    Malformed(
      testDescription: "quote within", text: "x,y\n1,2\"3\n",
      message: "data.csv:2: a quote within field 2", remedy: "whole field"),
    Malformed(
      testDescription: "blank line", text: "x,y\n1,2\n\n3,4\n",
      message: "data.csv:3: a blank line among the rows", remedy: "remove"),
    Malformed(
      testDescription: "blank first line", text: "\nx,y\n1,2\n",
      message: "data.csv:1: a blank line", remedy: "remove"),
    Malformed(
      testDescription: "old line ends", text: "x,y\r1,2\r",
      message: "data.csv:1: a carriage return within a line", remedy: "LF or CRLF"),
    Malformed(
      testDescription: "carriage return at the end", text: "x,y\n1,2\r",
      message: "data.csv:2: a carriage return within a line", remedy: "LF or CRLF"),
    Malformed(
      testDescription: "zero byte", text: "x,y\n1,\0\n", message: "data.csv:2: a zero byte",
      remedy: "UTF-8"),
    Malformed(
      testDescription: "separator of two", text: "x,y\n1,2\n", message: "the separator of ",
      remedy: "one character", status: .usage, change: { $0.separator = ", " }),
    Malformed(
      testDescription: "separator a quote", text: "x,y\n1,2\n", message: "is \"\"\"",
      remedy: "one character", status: .usage, change: { $0.separator = "\"" }),
  ]

  @Test(arguments: malformed) func malformedFilesAreOneErrorWithPlaceAndRemedy(_ file: Malformed) {
    expectFailure(file.status, file.message, remedy: file.remedy) {
      _ = try reader(file.text, file.change)
    }
  }

  @Test func textThatIsNotUTF8IsRefusedWhereItNames() {
    let options = CSVOptions(targetColumn: "y", targetKind: .classIndex)
    func open(_ bytes: [UInt8]) throws {
      _ = try CSVReader(path: folder.write("data.csv", bytes), options: options)
    }
    expectFailure(.badData, "data.csv:1: the name of column 0", "is not UTF-8", remedy: "UTF-8") {
      try open([0xe9] + Array(",y\n1,2\n".utf8))
    }
    expectFailure(.badData, "data.csv:2: column \"y\" has", "is not UTF-8", remedy: "UTF-8") {
      try open(Array("x,y\n1,".utf8) + [0xe9])
    }
    expectFailure(.badData, "data.csv:1: text in UTF-16", remedy: "UTF-8") {
      try open([0xff, 0xfe, 0x78, 0])
    }
  }

  @Test func classesWithoutEndAreRefused() {
    let text = "x,y\n" + (0...65536).map { "1,a\($0)\n" }.joined()
    expectFailure(
      .badData, "data.csv:65538: column \"y\" has more than 65536 classes", remedy: "number"
    ) {
      _ = try reader(text)
    }
  }

  @Test func recordsWithoutEndAreRefused() {
    let text = "x,y\n1,2\n\"" + String(repeating: "1234567890\n", count: 1_600_000)
    expectFailure(
      .badData, "data.csv:3: a record longer than 16777216 bytes",
      remedy: "close the quote of line 3"
    ) {
      _ = try reader(text)
    }
  }

  /// Nothing stands between the separators, so that the bytes of the record alone would never end it.
  @Test func fieldsWithoutEndAreRefused() {
    expectFailure(.badData, "data.csv:2: a record of more than 262144 fields") {
      _ = try reader("x,y\n" + String(repeating: ",", count: 3_000_000))
    }
  }

  @Test func whatIsNoFileIsNamed() {
    let options = CSVOptions(targetColumn: "y", targetKind: .classIndex)
    expectFailure(.inputMissing, "cannot open \(folder.path)/none: No such file") {
      _ = try CSVReader(path: folder.path + "/none", options: options)
    }
    expectFailure(.badData, "\(folder.path) is a folder, where a CSV file is expected") {
      _ = try CSVReader(path: folder.path, options: options)
    }
    mkfifo(folder.path + "/pipe", 0o600)
    expectFailure(.badData, "pipe is not a regular file") {
      _ = try CSVReader(path: folder.path + "/pipe", options: options)
    }
  }

  @Test func fileThatShrinksIsAnError() throws {
    // More than a buffer, so that the rest is read after the change.
    let source = try reader("x,y\n" + String(repeating: "1,2\n", count: 100_000))
    folder.write("data.csv", "x,y\n1,2\n")
    expectFailure(.badData, "data.csv has fewer rows than when it was opened") {
      _ = try SamplesRead(source)
    }
  }
}

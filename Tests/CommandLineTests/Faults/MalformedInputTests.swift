import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// What is wrong with a file, and what the one line of error must hold.
struct Malformed: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bytes: [UInt8]
  private(set) var parts: [String]

  init(_ name: String, _ bytes: [UInt8], _ parts: String...) {
    (testDescription, self.bytes, self.parts) = (name, bytes, parts)
  }
  init(_ name: String, _ text: String, _ parts: String...) {
    (testDescription, bytes, self.parts) = (name, Array(text.utf8), parts)
  }

  mutating func add(_ more: [String]) { parts += more }
}

/// Malformed recipes and tables: one error each, with file, line, key and what to do, and status 64 or
/// 65 (issue 4, point 4).
@Suite struct MalformedInputTests {
  static let good = """
    name: mine
    data:
      dataset: csv
      path: good.csv
      target_column: kind
      split: {validation: 0.2}
    model:
      layers:
        - {layer: Linear, in_features: 2, out_features: 4}
        - layer: ReLU
        - {layer: Linear, in_features: 4, out_features: 2}
    loss: cross-entropy
    optimizer: {kind: adam, lr: 0.01}
    batch_size: 4
    epochs: 2
    """

  /// 20 rows of two numbers and the kinds x and y; line 5 is "3,2,y".
  static let goodTable =
    "a,b,kind\n" + (0..<20).map { "\($0),\($0 * $0 % 7),\($0 % 2 == 0 ? "x" : "y")\n" }.joined()

  /// The good recipe, changed once.
  private static func recipe(_ old: String, _ new: String, _ parts: String...) -> Malformed {
    precondition(good.components(separatedBy: old).count == 2, old)
    var malformed = Malformed(new, good.replacingOccurrences(of: old, with: new))
    malformed.add(parts)
    return malformed
  }

  static let recipes = [
    recipe("epochs: 2", "epoch: 2", ":15: epochs: this key is missing; epoch was found"),
    recipe("split:", "splt:", ":6: data.splt: unknown key; did you mean split?"),
    recipe(
      "layer: ReLU", "layer: Relu", ":10: model.layers.1.layer: Relu is not one of",
      "did you mean ReLU?"),
    recipe(
      "out_features: 4", "out_featurs: 4",
      ":9: model.layers.0.out_features: this key is missing; out_featurs was found"),
    recipe(", out_features: 4", "", ":9: model.layers.0.out_features: this key is missing"),
    recipe(
      "batch_size: 4", "batch_size: 0", ":14: batch_size: 0 is not allowed; it must be 1 or more"),
    recipe("epochs: 2", "epochs: two", ":15: epochs: 'two' is not a whole number"),
    recipe("epochs: 2", "epochs: 2.5", ":15: epochs: '2.5' is not a whole number"),
    recipe(
      "kind: adam", "kind: adm", ":13: optimizer.kind: adm is not one of sgd, adam",
      "did you mean adam?"),
    recipe("lr: 0.01", "learning_rate: 0.01", ":13: optimizer.lr: this key is missing"),
    recipe("lr: 0.01", "lr: fast", ":13: optimizer.lr: 'fast' is not a number"),
    recipe(
      "{kind: adam, lr: 0.01}", "adam",
      ":13: optimizer: 'adam' is not a mapping; write {kind: adam, lr: ...}"),
    recipe(
      "cross-entropy", "crossentropy", ":12: loss: crossentropy is not one of",
      "did you mean cross-entropy?"),
    recipe(
      "dataset: csv", "dataset: cvs", ":3: data.dataset: cvs is not one of", "did you mean csv?"),
    recipe(
      "target_column", "target_colum",
      ":5: data.target_column: this key is missing; target_colum was found"),
    recipe(
      "validation: 0.2", "validaton: 0.2",
      ":6: data.split.validaton: unknown key; did you mean validation?"),
    recipe(
      "validation: 0.2", "validation: 1.2",
      ":6: data.split.validation: 1.2 is not allowed; it must be from 0 to below 1"),
    recipe(
      "validation: 0.2", "folds: 3, fold: 4",
      ":6: data.split.fold: 4 is not allowed; it must be 1 to 3"),
    recipe("epochs: 2", "epochs: 2\nepochs: 3", ":15: epochs stands there twice"),
    recipe(
      "epochs: 2", "epochs: 2\nschedule: cosin", ":16: schedule: cosin is not one of",
      "did you mean cosine?"),
    recipe("epochs: 2", "epochs: 2\nseed: -1", ":16: seed: '-1' is not a whole number from 0 on"),
    recipe("epochs: 2", "epochs: 2\nshuffle: maybe", ":16: shuffle: 'maybe' is not true or false"),
    recipe("name: mine", "name: my/own", ":1: name: my/own is not allowed; it must be letters"),
    recipe("    - layer: ReLU", "    - layer: *other", ":10: found undefined alias"),
    recipe(
      "  path: good.csv", "   path: good.csv", ":4: mapping values are not allowed in this context"),
    recipe("  path: good.csv", "\tpath: good.csv", ":4: ", "found a tab character"),
    recipe(
      "lr: 0.01}", "lr: 0.01",
      ":14: while parsing a flow mapping (line 13), did not find expected ',' or '}'"),
    recipe(
      "name: mine", "name: \"mine",
      ":15: while scanning a quoted scalar (line 1), found unexpected end of stream"),
    // What only the table tells.
    recipe(
      "in_features: 2", "in_features: 3",
      ":9: model.layers.0: Linear with in_features 3 gets [2] a sample; set in_features to 2"),
    recipe(
      "in_features: 4", "in_features: 5",
      ":11: model.layers.2: Linear with in_features 5 gets [4] a sample; set in_features to 4"),
    recipe(
      "out_features: 2", "out_features: 3",
      ":9: model.layers: the network turns a sample into [3], cross-entropy on csv needs [2], a score for each class (x, y)"
    ),
    recipe(
      "loss: cross-entropy", "loss: mse",
      ":12: loss: mse compares numbers, and the targets of csv are classes; set data.target to one-hot, or use cross-entropy"
    ),
    recipe(
      "split: {validation: 0.2}", "augment: {shift: 2}",
      ":6: data.augment: images are shifted, rotated and flipped, and a sample is [2]"),
    recipe(
      "split: {validation: 0.2}", "standardize: features",
      ":6: data.standardize: features is not one of", "did you mean feature?"),
    recipe(
      "epochs: 2", "epochs: 2\nevaluation: {metric: none, early_stopping: {monitor: accuracy}}",
      ":16: evaluation.early_stopping.monitor: nothing is right or wrong with cross-entropy on csv; watch loss"
    ),
    Malformed(
      "empty", "",
      ": a recipe is a mapping of keys to values | `nndist recipes fashion-mnist` prints one"),
    Malformed("list", "- a\n- b\n", ": a recipe is a mapping of keys to values"),
    Malformed(
      "not UTF-8", Array("name: mine\ndata: ".utf8) + [0xff, 0xfe, 0x0a],
      ":2: this is not UTF-8 text | save it as UTF-8"),
    Malformed(
      "aliases that multiply",
      (1...7).reduce("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n") { text, level in
        let ten = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
        return text + "a\(level): &a\(level) [\(ten)]\n"
      }, ":6: more than the 200000 values that are read"),
    Malformed(
      "deep",
      "name: " + String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
      ":1: nested deeper than 64 levels"),
    Malformed(
      "endless", String(repeating: "# nothing\n", count: 500_000),
      " is longer than the 4194304 bytes"),
    Malformed("a zero byte", "name: mine\nloss: \0\n", ":2: control characters are not allowed"),
  ]

  /// The good table, changed in line 5.
  private static func table(_ row: String, _ parts: String...) -> Malformed {
    var malformed = Malformed(row, goodTable.replacingOccurrences(of: "3,2,y", with: row))
    malformed.add(parts)
    return malformed
  }

  static let tables = [
    table(
      "3,,y",
      ":5: column \"b\" has no value, \"\" | fill it in, or leave such rows out with `missing: drop`"
    ),
    table("3,NA,y", ":5: column \"b\" has no value, \"NA\""),
    table("3,2,", ":5: column \"kind\" has no value"),
    table(
      "3,two,y",
      ":5: column \"b\" has \"two\", which is not a number | mend it, or leave the column out"),
    table("3,1e999,y", ":5: column \"b\" has \"1e999\", which float32 does not reach | scale it"),
    table("3,y", ":5: 2 fields, where line 1 has 3 | give each row as many fields"),
    table("3,2,9,y", ":5: 4 fields, where line 1 has 3"),
    table("3,\"2,y", ":5: the quote of field 2 is never closed | close it"),
    table("3,2\"x,y", ":5: a quote within field 2, which is not quoted | put quotes round"),
    table("3,\"2\"x,y", ":5: \"x\" after the closing quote of field 2"),
    table("\n3,2,y", ":5: a blank line among the rows | remove it"),
    table("3,2\0,y", ":5: a zero byte"),
    table("3,2,y\r4,2,y", ":5: a carriage return within a line | end lines with LF or CRLF"),
    Malformed("nothing", "", " is empty | give a CSV file"),
    Malformed("a header alone", "a,b,kind\n", " has no row | give a file with samples"),
    Malformed(
      "a name twice", "a,a,kind\n1,2,x\n", ":1: columns 0 and 1 are both called \"a\" | rename one"),
    Malformed(
      "no header", "1,2,3\n4,5,1\n",
      ":1: numbers, where the header's names are expected | set `header: false`"),
    Malformed(
      "another separator", "a;b;kind\n1;2;x\n",
      " has no target column \"kind\"; it has \"a;b;kind\" | set `separator`"),
    Malformed(
      "another target", "a,b,sort\n1,2,x\n",
      " has no target column \"kind\"; it has \"a\", \"b\", \"sort\""),
    Malformed("one column", "kind\nx\ny\n", " has one column, the target's, and none for inputs"),
    Malformed("UTF-16", [0xff, 0xfe, 0x61, 0], ":1: text in UTF-16 | save it as UTF-8"),
    Malformed(
      "Latin-1", Array("a,b,kind\n1,2,".utf8) + [0xe9, 0x0a], ":2: column \"kind\" has",
      "not UTF-8 | save it as UTF-8"),
    Malformed("gzipped", gzipped(Array(goodTable.utf8)), " is gzipped | unpack it with gunzip"),
    Malformed(
      "two rows", "a,b,kind\n1,2,x\n2,3,y\n",
      ": its 2 samples leave none for the validation split | change data.split"),
  ]

  /// Trains mine.yaml, and expects one line of error after `place`, and nothing made.
  private func expectRefused(
    _ jobs: Jobs, ranks: Int?, _ status: Int32, _ place: String, _ parts: [String]
  ) throws {
    let outcome = try jobs.command(["train", "mine.yaml"], ranks: ranks)
    expectError(outcome, status)
    #expect(outcome.stderr.contains("nndist: error: \(place)\(parts[0])"), "\(outcome)")
    for part in parts { #expect(outcome.stderr.contains(part), "\(part): \(outcome)") }
    // mpirun says on its own that the job failed.
    if ranks == nil { #expect(outcome.stderr.split(separator: "\n").count == 1, "\(outcome)") }
    #expect(!FileManager.default.fileExists(atPath: jobs.path("runs")), "a run was left")
  }

  private func refuse(recipe: Malformed, ranks: Int? = nil) throws {
    let jobs = Jobs(train: 1, test: 1)
    jobs.folder.write("good.csv", MalformedInputTests.goodTable)
    jobs.folder.write("mine.yaml", recipe.bytes)
    try expectRefused(jobs, ranks: ranks, 64, "mine.yaml", recipe.parts)
  }

  private func refuse(table: Malformed, ranks: Int? = nil) throws {
    let jobs = Jobs(train: 1, test: 1)
    jobs.folder.write("good.csv", table.bytes)
    jobs.folder.write("mine.yaml", MalformedInputTests.good)
    try expectRefused(jobs, ranks: ranks, 65, jobs.path("good.csv"), table.parts)
  }

  @Test(arguments: recipes)
  func recipeIsRefusedWithItsPlace(malformed: Malformed) throws { try refuse(recipe: malformed) }

  @Test(arguments: tables)
  func tableIsRefusedWithItsPlace(malformed: Malformed) throws { try refuse(table: malformed) }

  /// A misspelt key, a network that does not fit the table, and a damaged table.
  @Test func twoRanksSayItOnce() throws {
    try refuse(recipe: MalformedInputTests.recipes[0], ranks: 2)
    try refuse(recipe: MalformedInputTests.recipes[28], ranks: 2)
    try refuse(table: MalformedInputTests.tables[3], ranks: 2)
  }

  /// What all of the above change one thing of.
  @Test func goodRecipeAndTableAreTaken() throws {
    let jobs = Jobs(train: 1, test: 1)
    jobs.folder.write("good.csv", MalformedInputTests.goodTable)
    jobs.folder.write("mine.yaml", MalformedInputTests.good)
    let outcome = try jobs.command(["train", "mine.yaml"])
    #expect(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
  }
}

import Foundation
import Recipes
import System
import TestSupport
import Testing

/// `nndist recipes --schema`.
@Suite struct SchemaTests {
  static let python = TestSupport.python(with: "jsonschema")

  /// JSON, which is YAML, too. Each differs in one place from what is right.
  static let good = #"""
    {"name": "mine", "data": {"dataset": "mnist"},
     "model": {"layers": [{"layer": "Flatten"},
                          {"layer": "Linear", "in_features": 784, "out_features": 10}]},
     "loss": "cross-entropy", "optimizer": {"kind": "adam", "lr": 0.001}, "batch_size": 64,
     "epochs": 5}
    """#

  static let changes: [(from: String, to: String, isRight: Bool)] = [
    (#""mine""#, #""mine""#, true),
    (#""cross-entropy""#, #"{"kind": "cross-entropy", "label_smoothing": 0.1}"#, true),
    (#""epochs": 5"#, #""epochs": 5, "schedule": "cosine""#, true),
    (#""epochs": 5"#, #""epochs": 5, "schedule": {"kind": "step", "every": 9}"#, true),
    (#""epochs": 5"#, #""epochs": 0, "shards": null, "seed": 18446744073709551615"#, true),
    (#""dataset": "mnist""#, #""dataset": "mnist", "sample": {"train": 5}"#, true),
    (#""lr": 0.001"#, #""lr": 0, "betas": [0, 0.5]"#, true),
    (
      #"{"layer": "Flatten"}"#,
      #"{"layer": "Sequential", "layers": [{"layer": "Flatten", "name": "x"}]}"#, true
    ),
    (
      #"{"layer": "Flatten"}"#,
      #"{"layer": "Conv2d", "in_channels": 1, "out_channels": 4, "kernel_size": [3, 3], "padding": 1}, {"layer": "AdaptiveAvgPool2d", "output_size": [14, 14]}, {"layer": "Flatten"}"#,
      true
    ),
    (
      #"{"layers": [{"layer": "Flatten"},"#,
      #"{"initial": {"1.bias": 0.5}, "layers": [{"layer": "Flatten"},"#, true
    ),
    (#""mine""#, #""../mine""#, false), (#""mine""#, #""""#, false), (#""mine""#, "null", false),
    (#""mine""#, #"["mine"]"#, false),
    (#""epochs": 5"#, #""epochs": -1"#, false), (#""epochs": 5"#, #""epochs": 5.5"#, false),
    (#""epochs": 5"#, #""epochs": "5""#, false), (#", "batch_size": 64"#, "", false),
    (#""epochs": 5"#, #""epochs": 5, "epoch": 5"#, false),
    (#""epochs": 5"#, #""epochs": 5, "shuffle": 1"#, false),
    (#""epochs": 5"#, #""epochs": 5, "shards": 65537"#, false),
    (#""epochs": 5"#, #""epochs": 5, "schedule": "step""#, false),
    (#""epochs": 5"#, #""epochs": 5, "schedule": {"kind": "constant", "every": 9}"#, false),
    (#""epochs": 5"#, #""epochs": 5, "evaluation": {"metric": "f1"}"#, false),
    (#""cross-entropy""#, #""crossentropy""#, false),
    (#""cross-entropy""#, #"{"kind": "cross-entropy", "beta": 1}"#, false),
    (#""cross-entropy""#, #"{"label_smoothing": 0.1}"#, false),
    (#""dataset": "mnist""#, #""dataset": "csv""#, false),
    (#""dataset": "mnist""#, #""dataset": "mnist", "count": 5"#, false),
    (#""dataset": "mnist""#, #""dataset": "mnist", "split": {"tests": 0.1}"#, false),
    (#""dataset": "mnist""#, #""dataset": "mnist", "corrupt": -1"#, false),
    (#""lr": 0.001"#, #""lr": -1"#, false), (#""lr": 0.001"#, #""eps": 1"#, false),
    (#""lr": 0.001"#, #""lr": 1, "betas": [0.9]"#, false),
    (#""lr": 0.001"#, #""lr": 1, "betas": [0.9, 1]"#, false),
    (#""lr": 0.001"#, #""lr": 1, "momentum": 0.9"#, false),
    (#"{"layer": "Flatten"}"#, #""Flatten""#, false),
    (#"{"layer": "Flatten"}"#, #"{"layer": "flatten"}"#, false),
    (#"{"layer": "Flatten"}"#, #"{"layer": "Flatten", "name": "a.b"}"#, false),
    (#"{"layer": "Flatten"}"#, #"{"layer": "MaxPool2d", "kernel_size": [2, 2, 2]}"#, false),
    (#""in_features": 784"#, #""in_features": 0"#, false),
    (#""in_features": 784, "#, "", false),
    (#"{"layers": ["#, #"{"architecture": "Parabola", "layers": ["#, false),
    (
      #"{"layers": [{"layer": "Flatten"},"#,
      #"{"initial": {"1.bias": "x"}, "layers": [{"layer": "Flatten"},"#, false
    ),
  ]

  /// What jsonschema says of it: true where the document is valid.
  private static func verdicts(_ documents: [String]) throws -> [Bool] {
    let folder = TemporaryFolder()
    folder.write("schema.json", RecipeSchema.json)
    folder.write("documents.json", "[\(documents.joined(separator: ","))]")
    let script = """
      import json, sys, jsonschema
      schema = json.load(open(sys.argv[1] + '/schema.json'))
      jsonschema.Draft202012Validator.check_schema(schema)
      validator = jsonschema.Draft202012Validator(schema)
      for document in json.load(open(sys.argv[1] + '/documents.json')):
        print('right' if validator.is_valid(document) else 'wrong')
      """
    let outcome = try run([python!, "-c", script, folder.path])
    try #require(outcome.status == 0, "\(outcome)")
    return outcome.stdout.split(separator: "\n").map { $0 == "right" }
  }

  @Test(.enabled(if: python != nil, "no Python with jsonschema"))
  func builtInRecipesAreValid() throws {
    let documents = try BuiltInRecipe.all.map {
      String(decoding: try JSONEncoder().encode($0.text.recipe()), as: UTF8.self)
    }
    #expect(try SchemaTests.verdicts(documents).map { $0 } == documents.map { _ in true })
  }

  @Test(.enabled(if: python != nil, "no Python with jsonschema"))
  func schemaAndReaderAgree() throws {
    let documents = SchemaTests.changes.map { change in
      precondition(SchemaTests.good.contains(change.from))
      return SchemaTests.good.replacingOccurrences(of: change.from, with: change.to)
    }
    let verdicts = try SchemaTests.verdicts(documents)
    #expect(verdicts.count == documents.count)
    for (index, (change, document)) in zip(SchemaTests.changes, documents).enumerated() {
      #expect(verdicts[index] == change.isRight, "the schema on \(change.to)")
      let isRead = (try? RecipeText(document, source: "my.yaml").recipe()) != nil
      #expect(isRead == change.isRight, "the reader on \(change.to)")
    }
  }

  /// JSON and YAML are two forms of one recipe.
  @Test func recipesAreCodable() throws {
    for builtIn in BuiltInRecipe.all {
      let recipe = try builtIn.text.recipe()
      let json = try JSONEncoder().encode(recipe)
      #expect(try JSONDecoder().decode(Recipe.self, from: json) == recipe)
    }
    expectFailure(.usage, "recipe: optimizer.lr: -1.0 is not allowed") {
      let wrong = SchemaTests.good.replacingOccurrences(of: "0.001", with: "-1")
      _ = try JSONDecoder().decode(Recipe.self, from: Data(wrong.utf8))
    }
  }

  // MARK: - Every key that is written is documented

  private let schema =
    try! JSONSerialization.jsonObject(with: Data(RecipeSchema.json.utf8)) as! [String: Any]

  /// The schemas that a schema refers to or chooses between, and itself.
  private func forms(_ schema: [String: Any]) -> [[String: Any]] {
    var all = [schema]
    if let reference = schema["$ref"] as? String {
      let name = String(reference.dropFirst("#/$defs/".count))
      let definitions = self.schema["$defs"] as! [String: [String: Any]]
      all += definitions[name].map(forms) ?? []
    }
    for key in ["oneOf", "anyOf"] {
      for form in schema[key] as? [[String: Any]] ?? [] { all += forms(form) }
    }
    return all
  }

  private func checkDocumented(_ value: Any, _ schema: [String: Any], _ path: String) {
    if let object = value as? [String: Any] {
      let candidates = forms(schema).filter { form in
        guard let properties = form["properties"] as? [String: [String: Any]] else { return false }
        return object.keys.allSatisfy { properties[$0] != nil }
          && properties.allSatisfy { key, property in
            guard let const = property["const"] as? String else { return true }
            return object[key] as? String == const
          }
      }
      if candidates.isEmpty,
        forms(schema).contains(where: { $0["additionalProperties"] is [String: Any] })
      {
        return  // names that no table knows
      }
      #expect(candidates.count == 1, "\(path): \(object.keys.sorted())")
      guard let properties = candidates.first?["properties"] as? [String: [String: Any]] else {
        return
      }
      for (key, child) in object {
        let doc = forms(properties[key]!).compactMap { $0["description"] as? String }.first ?? ""
        #expect(doc.count >= 5, "\(path).\(key) is not documented")
        checkDocumented(child, properties[key]!, "\(path).\(key)")
      }
    } else if let list = value as? [Any] {
      let items = forms(schema).compactMap { $0["items"] as? [String: Any] }.first
      for child in list { checkDocumented(child, items ?? [:], path + ".*") }
    }
  }

  @Test func everyKeyThatIsWrittenIsDocumented() throws {
    for builtIn in BuiltInRecipe.all {
      let json = try JSONEncoder().encode(builtIn.text.recipe())
      checkDocumented(try JSONSerialization.jsonObject(with: json), schema, builtIn.name)
    }
  }

  /// All that a table declares has its line.
  @Test func everythingInTheSchemaIsDocumented() {
    func check(_ schema: [String: Any], _ path: String) {
      for (key, property) in schema["properties"] as? [String: [String: Any]] ?? [:] {
        #expect(
          property["description"] != nil || property["$ref"] != nil, "\(path).\(key)")
        check(property, "\(path).\(key)")
      }
      for key in ["oneOf", "anyOf"] {
        for form in schema[key] as? [[String: Any]] ?? [] {
          check(form, "\(path).\(form["title"] as? String ?? "?")")
        }
      }
    }
    check(schema, "")
    for (name, definition) in schema["$defs"] as! [String: [String: Any]] {
      #expect(definition["description"] != nil, "\(name)")
      check(definition, name)
    }
  }
}

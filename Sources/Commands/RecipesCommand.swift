import ArgumentParser
import Benchmarks
import Communication
import Layers
import Recipes
import System
import Training

/// `nndist recipes [NAME]`.
struct RecipesCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes",
    abstract: "List the built-in recipes; or show one: its YAML, its modules, its parameters.")

  @Argument(help: "A recipe, or a YAML file. (default: list all)")
  var name: String?

  @Flag(help: "Print the JSON Schema of a recipe, for editors. (default: list all)")
  var schema = false

  func validate() throws {
    if schema, let name {
      throw ValidationError("--schema is of all recipes; leave \(name) away")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    try session.agree(on: "reading the recipe") {
      guard session.isRoot else { return }
      print(
        schema ? RecipeSchema.json : try name.map(RecipesCommand.one) ?? RecipesCommand.table())
    }
    return 0
  }

  private static func one(_ name: String) throws -> String {
    let recipe = try BuiltInRecipe.text(named: name) { try readText($0, invalid: .usage) }.recipe()
    let module = recipe.model.module()
    return "\(recipe.yaml)\n\(module.summary)\n\(grouped(module.parameterCount)) parameters"
  }

  private static func table() throws -> String {
    var table = Columns(
      ["recipe", "data", "model", "parameters", "seconds", "expect"],
      isText: [true, true, true, false, false, true])
    for builtIn in BuiltInRecipe.all {
      let recipe = try builtIn.text.recipe()
      table.add([
        recipe.name, recipe.data.dataset, builtIn.model,
        grouped(recipe.model.module().parameterCount), builtIn.seconds.map(formatted) ?? "-",
        recipe.expect,
      ])
    }
    return table.text + OwnKinds.list
  }
}

/// Formats seconds: 0.42 as "0.4", 42.3 as "42".
private func formatted(_ seconds: Double) -> String { fixed(seconds, seconds < 10 ? 1 : 0) }

/// Formats a count: 669706 as "669,706".
private func grouped(_ count: Int) -> String {
  let digits = Array(String(count))
  return digits.indices.map { index in
    (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digits[index])
  }.joined()
}

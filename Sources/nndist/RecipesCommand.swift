import ArgumentParser
import Layers
import Recipes
import TensorCore
import Training

/// `nndist recipes [NAME]`.
struct RecipesCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes",
    abstract: "List the built-in recipes; or show one: its YAML, its modules, its parameters.")

  @Argument(help: "A recipe, or a YAML file. (default: list all)")
  var name: String?

  func run(in session: Session) throws -> Int32 {
    try session.agree(on: "reading the recipe") {
      guard session.isRoot else { return }
      print(try name.map(RecipesCommand.one) ?? RecipesCommand.table())
    }
    return 0
  }

  private static func one(_ name: String) throws -> String {
    let recipe = try BuiltInRecipe.text(named: name) { try readText($0) }.recipe()
    let module = recipe.model.module()
    return "\(recipe.yaml)\n\(module.summary)\n\(grouped(module.parameterCount)) parameters"
  }

  private static func table() throws -> String {
    var rows = [["recipe", "data", "parameters", "batch", "epochs", "expect"]]
    for builtIn in BuiltInRecipe.all {
      let recipe = try builtIn.text.recipe()
      rows.append([
        recipe.name, recipe.data.dataset.rawValue, grouped(recipe.model.module().parameterCount),
        "\(recipe.batchSize)", "\(recipe.epochs)", recipe.expect,
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    let isNumber = [false, false, true, true, true, false]
    return rows.map { row in
      row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        if column == row.count - 1 { return row[column] }
        return isNumber[column] ? padding + row[column] : row[column] + padding
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}

/// 669706 as "669,706".
private func grouped(_ count: Int) -> String {
  let digits = Array(String(count))
  return digits.indices.map { index in
    (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digits[index])
  }.joined()
}

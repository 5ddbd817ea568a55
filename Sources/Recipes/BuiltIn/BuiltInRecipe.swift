import TensorCore

/// A recipe that comes with nndist.
public struct BuiltInRecipe: Sendable {
  public let name: String
  public let yaml: String

  /// All of them; the first is the default.
  public static let all = [fashionMNIST, mnistMLP, fashionLinear, mnistConv]

  public static func named(_ name: String) -> BuiltInRecipe? { all.first { $0.name == name } }

  public var text: RecipeText {
    get throws { try RecipeText(yaml, source: "recipe \(name)") }
  }

  /// The text of the built-in recipe or the YAML file that `argument` names.
  /// - Throws: `Failure(.usage)` for a name that is neither, with the nearest; `Failure(.inputMissing)`
  ///   for a file that cannot be read.
  public static func text(
    named argument: String, read: (String) throws -> String
  ) throws -> RecipeText {
    if let recipe = named(argument) { return try recipe.text }
    if argument.hasSuffix(".yaml") || argument.hasSuffix(".yml") || argument.contains("/") {
      return try RecipeText(try read(argument), source: argument)
    }
    throw Failure(
      .usage, "there is no recipe \(argument)",
      remedy: Spelling.hint(for: argument, among: all.map(\.name))
        + " (`nndist recipes` lists them; a file's name ends in .yaml)")
  }
}

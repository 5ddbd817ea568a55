import Foundation

/// What the script beside it wrote to Golden/`name` in the folder of the calling test.
public func golden<Content: Decodable>(
  _ name: String, as type: Content.Type = Content.self, testFile: String = #filePath
) throws -> Content {
  let path = URL(fileURLWithPath: testFile).deletingLastPathComponent()
    .appendingPathComponent("Golden").appendingPathComponent(name)
  return try JSONDecoder().decode(Content.self, from: Data(contentsOf: path))
}

import CZlib
import Datasets
import Foundation
import Recipes
import System
import Training

/// A parser of what comes from outside, to be given any bytes at all.
///
/// Whatever the bytes are, `parse` returns: they are read, or refused by a Failure with one of
/// `allowed`'s statuses. All else (another error, a trap, an endless loop) is a finding.
public enum FuzzedParser: String, CaseIterable, Sendable {
  case safetensors, idx, csv, npy, png, recipe, state

  /// - Returns: how many ways of reading took the bytes, and how many refused them.
  @discardableResult
  public func parse(_ bytes: UnsafeRawBufferPointer) -> (taken: Int, refused: Int) {
    let input = InputInMemory()
    return parse(bytes, input)
  }

  func parse(
    _ bytes: UnsafeRawBufferPointer, _ input: InputInMemory
  ) -> (taken: Int, refused: Int) {
    input.write(bytes)
    var result = (taken: 0, refused: 0)
    for reading in readings {
      do {
        try reading(input)
        result.taken += 1
      } catch let failure as Failure {
        guard allowed.contains(failure.status), !failure.message.isEmpty else {
          fatalError("\(self): the status \(failure.status) is not allowed: \(failure)")
        }
        result.refused += 1
      } catch {
        fatalError("\(self): no Failure: \(error)")
      }
    }
    return result
  }

  private var allowed: [Failure.Status] { self == .recipe ? [.usage] : [.badData] }

  private var readings: [(InputInMemory) throws -> Void] {
    switch self {
    case .safetensors: [{ _ = try Safetensors.read($0.path("input.safetensors")) }]
    case .idx: [{ _ = try InputFile.read($0.path("input-idx3-ubyte")) }, FuzzedParser.readImages]
    case .csv: FuzzedParser.tables
    case .npy: FuzzedParser.arrays
    case .png: [{ _ = try InputFile.read($0.path("input.png")) }, FuzzedParser.readMendedImage]
    case .recipe: [FuzzedParser.readRecipe]
    case .state:
      [
        { _ = try CheckpointState.read($0.path("state.json")) }, FuzzedParser.readSignedState,
      ]
    }
  }

  // MARK: - Ways of reading

  /// As images, with as many labels.
  private static func readImages(_ input: InputInMemory) throws {
    let path = input.path("input-idx3-ubyte")
    let count = try IDXReader(path: path).itemCount
    let labels = InputInMemory()
    if count <= 1 << 16 {
      let header = [0, 0, 8, 1] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
      (header + [UInt8](repeating: 9, count: count)).withUnsafeBytes { labels.write($0) }
    } else {
      labels.write(UnsafeRawBufferPointer(start: nil, count: 0))
    }
    try readAll(
      ImageStream(images: path, labels: labels.path("input-idx1-ubyte"), classCount: 10))
  }

  private static var tables: [(InputInMemory) throws -> Void] {
    [
      { input in
        let options = CSVOptions(targetColumn: "0", targetKind: .classIndex, hasHeader: false)
        try readAll(CSVReader(path: input.path("input.csv"), options: options))
      },
      { input in
        let options = CSVOptions(
          targetColumn: "0", targetKind: .number, separator: ";", missing: .drop)
        try readAll(CSVReader(path: input.path("input.csv"), options: options))
      },
      { _ = try InputFile.read($0.path("input.csv")) },
    ]
  }

  private static var arrays: [(InputInMemory) throws -> Void] {
    [
      { try readArray($0, .classIndex) }, { try readArray($0, .number) },
      { try readAll(NPYSource(archive: $0.path("input.npz"), targetKind: .classIndex)) },
      { try readAll(NPYSource(archive: $0.path("input.npz"), targetKind: .number)) },
      { _ = try InputFile.read($0.path("input.npy")) },
      { _ = try InputFile.read($0.path("input.npz")) },
    ]
  }

  /// As inputs and as targets.
  private static func readArray(_ input: InputInMemory, _ kind: TargetKind) throws {
    let path = input.path("input.npy")
    try readAll(NPYSource(inputs: path, targets: path, targetKind: kind))
  }

  private static func readAll(_ source: any SampleSource) throws {
    let count = source.sampleCount
    let selection = SplitPlan.Selection(indices: nil, of: count)
    _ = try SampleStore(source, selection, shards: 0..<min(count, 2), shardCount: 2)
  }

  /// With the sums of its chunks mended, which mutation hardly ever gets right.
  private static func readMendedImage(_ input: InputInMemory) throws {
    let path = input.path("input.png")
    var bytes = Array(FileManager.default.contents(atPath: path) ?? Data())
    func number(at offset: Int) -> Int {
      bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    var next = 8
    while bytes.count - next >= 12, number(at: next) <= bytes.count - next - 12 {
      let end = next + 8 + number(at: next)
      let sum = bytes.withUnsafeBufferPointer {
        crc32(0, $0.baseAddress! + next + 4, UInt32(end - next - 4))
      }
      for i in 0..<4 { bytes[end + i] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * UInt(i))) }
      next = end + 4
    }
    bytes.withUnsafeBytes { input.write($0) }
    _ = try InputFile.read(path)
  }

  /// What is taken must come back the same from the YAML that a run keeps.
  private static func readRecipe(_ input: InputInMemory) throws {
    let text = try readText(input.path("recipe.yaml"), invalid: .usage)
    let recipe = try RecipeText(text, source: "recipe.yaml").recipe()
    let again = try RecipeText(recipe.yaml, source: "again.yaml").recipe()
    guard again == recipe else { fatalError("another recipe comes back: \(recipe.yaml)") }
  }

  /// With the digest mended: it is no signature, and so no protection.
  private static func readSignedState(_ input: InputInMemory) throws {
    let path = input.path("state.json")
    let bytes = FileManager.default.contents(atPath: path) ?? Data()
    guard var state = try? JSONDecoder().decode(CheckpointState.self, from: bytes) else { return }
    state.digest = state.expectedDigest
    guard let signed = try? JSONEncoder().encode(state) else { return }
    signed.withUnsafeBytes { input.write($0) }
    _ = try CheckpointState.read(path)
  }
}

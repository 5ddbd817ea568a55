import Foundation
import System
import TestSupport
import Testing

/// What is exactly so, whatever the seed.
extension SystemLine {
  /// The shapes of the parameters, in the module's order.
  static func parameterShapes(
    _ system: String, _ notebook: String, _ shapes: [String]
  ) -> SystemLine {
    .exact(system, "parameters", notebook) { runs in
      let found = try runs.runs[0].parameters.map { parameter in
        parameter.tensor.shape.map { "\($0)" }.joined(separator: "x")
      }
      return (found.joined(separator: " "), found == shapes)
    }
  }

  /// The printed digits lie between the figures of the runs, each of which is rounded to them.
  static func between(
    _ system: String, _ figure: String, _ notebook: String, _ reading: Reading
  ) -> SystemLine {
    SystemLine(system: system, figure: figure, notebook: notebook) { runs in
      let values = try runs.runs.map { try reading.read($0) }
      let (low, high) = (values.min()!, values.max()!)
      let printed = Double(notebook)!
      return Verdict(
        nndist: String(format: "%.4f (%.4f to %.4f)", values[0], low, high),
        judgedBy: "rounded weights", agrees: low - 5e-5 <= printed && printed <= high + 5e-5)
    }
  }

  /// S23: each row of the Softmax's outputs adds up to 1.
  static let probabilitySums = exact("S23", "sums of 12 rows of 10", "1.0000 each") { runs in
    let rows = try runs.runs[0].predict("--split", "train")[..<12]
    let sums = rows.map { $0.reduce(0, +) }
    return (
      String(format: "%.4f to %.4f", sums.min()!, sums.max()!),
      // Ten roundings of float32.
      rows.allSatisfy { $0.count == 10 } && sums.allSatisfy { abs($0 - 1) < 1e-6 }
    )
  }

  /// S23: how often a digit is drawn. 5 is MNIST's rarest (5421 of 60000), 1 its most frequent
  /// (6742); of 6000 draws with replacement.
  static let digitCounts = exact("S23", "of 6000, the digits 5 and 1", "521 and 649") { runs in
    let text = try runs.runs[0].ask("eval", ["--split", "train"])
    let matrix = try #require(text.split(separator: "actual \\ predicted").last)
    let counts = matrix.split(separator: "\n").dropFirst().map { line in
      line.split(separator: " ").dropFirst().reduce(0) { $0 + Int($1)! }
    }
    func isLikely(_ count: Int, _ inMNIST: Double) -> Bool {
      let share = inMNIST / 60000
      return abs(Double(count) - 6000 * share) <= 4 * (6000 * share * (1 - share)).squareRoot()
    }
    return (
      "\(counts[5]) and \(counts[1])",
      counts.count == 10 && counts.reduce(0, +) == 6000 && counts.min() == counts[5]
        && counts.max() == counts[1] && isLikely(counts[5], 5421) && isLikely(counts[1], 6742)
    )
  }

  /// S29: the encoder's activations of pixels 0 to 255, though it was trained on 0 to 1. Of the
  /// layers below: what comes out of net.1 is b + W x, so it is b and 255 times what x / 255 gives;
  /// net.2 cuts it at 0.
  static let codesOfRawPixels = exact("S29", "codes, raw pixels", "[6000, 50]") { runs in
    let run = runs.runs[0]
    let bias = try #require(try run.parameters.first { $0.name == "net.1.bias" }).tensor.asDoubles
    let small = try run.predict("--split", "train", "--layer", "net.1")
    let codes = try run.codes()
    var largest = 0.0
    for (row, code) in codes.enumerated() {
      for (unit, value) in code.enumerated() {
        let expected = max(0, bias[unit] + 255 * (small[row][unit] - bias[unit]))
        largest = max(largest, abs(value - expected))
      }
    }
    // Sums of 784 products of some tens in float32, of either sign, and 255 times such sums: 1e-6 of
    // some thousands.
    return (
      "[\(codes.count), \(codes[0].count)]",
      codes.count == 6000 && codes.allSatisfy { $0.count == 50 } && largest < 0.01
    )
  }

  /// S30: the most similar of the first 1000 images to image 18 is itself, and the others are those
  /// that the codes say.
  static let similarImages = exact("S30", "images most like image 18", "first is itself") { runs in
    let found = try runs.runs[0].similar()
    let codes = try runs.runs[0].codes()[..<1000]
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let norms = codes.map { dot($0, $0).squareRoot() }
    let expected = codes.indices.map { (dot(codes[18], codes[$0]) / norms[18] / norms[$0], $0) }
      .sorted { $0.0 > $1.0 }[..<5]
    return (
      found.map { "\($0.sample)" }.joined(separator: " "),
      found[0].sample == 18 && found[0].cosine == 1
        && zip(found, expected).allSatisfy {
          // Six digits are printed.
          $0.sample == $1.1 && abs($0.cosine - $1.0) < 1.5e-6
        }
    )
  }

  /// S33: 999 pairs of a value and the next, 70 % to train on.
  static let seriesLengths = exact("S33", "pairs to train on, to test on", "699 and 300") { runs in
    let run = runs.runs[2]
    let lengths = try ["train", "test"].map { try run.predict("--split", $0) }
    let text = lengths.map { "\($0[0].count)" }.joined(separator: " and ")
    return (text, text == "699 and 300" && lengths.allSatisfy { $0.count == 1 })
  }
}

extension SeedRun {
  /// The autoencoder's 50 numbers of each raw training image.
  func codes() throws -> [[Double]] {
    try predict("--split", "train", "--layer", "net.2", "--set", "data.scale=raw")
  }

  /// What `nndist similar` finds among the first 1000 training images, raw.
  func similar() throws -> [(sample: Int, cosine: Double)] {
    let text = try ask(
      "similar", ["--index", "18", "--top", "5", "--rows", "1000", "--set", "data.scale=raw"])
    return try text.split(separator: "\n").dropFirst(2).map { line in
      let cells = line.split(separator: " ")
      try #require(cells.count == 3)
      return (Int(cells[1])!, Double(cells[2])!)
    }
  }
}

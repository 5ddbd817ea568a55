import Foundation
import System
import Training

/// The results of `bench reduce --json` that the step model needs.
package struct ReduceMeasurement: Sendable {
  package struct Row: Decodable, Sendable {
    package let bytes: Double
    package let reduceMicroseconds: Double
    /// Bytes read plus bytes written by all ranks together.
    package let copyBytesPerSecond: Double

    package init(bytes: Double, reduceMicroseconds: Double, copyBytesPerSecond: Double) {
      self.bytes = bytes
      self.reduceMicroseconds = reduceMicroseconds
      self.copyBytesPerSecond = copyBytesPerSecond
    }
  }

  package let ranks: Int
  package let hosts: Int
  /// In ascending order of bytes.
  package let rows: [Row]

  package init(ranks: Int, hosts: Int, rows: [Row]) {
    (self.ranks, self.hosts, self.rows) = (ranks, hosts, rows)
  }

  /// Reads a measurement between hosts with one rank each.
  /// - Throws: Failure(.badData), naming the path and the key.
  package static func between(_ path: String) throws -> ReduceMeasurement {
    let measurement = try checked(path)
    guard measurement.hosts == measurement.ranks, isPowerOfTwo(measurement.hosts) else {
      throw Failure(
        .badData,
        "\(path): \(measurement.ranks) ranks on \(measurement.hosts) hosts, not one rank on each "
          + "of 2, 4, 8 ... hosts", remedy: "launch/two-hosts -n 1 -- nndist bench reduce --json")
    }
    return measurement
  }

  /// Reads a measurement of ranks on one host.
  /// - Throws: as `between`.
  package static func inside(_ path: String) throws -> ReduceMeasurement {
    let measurement = try checked(path)
    guard measurement.hosts == 1, isPowerOfTwo(measurement.ranks) else {
      throw Failure(
        .badData,
        "\(path): \(measurement.ranks) ranks on \(measurement.hosts) hosts, not 2, 4, 8 ... ranks "
          + "on one", remedy: "mpirun -n 2 nndist bench reduce --json")
    }
    return measurement
  }

  private static func isPowerOfTwo(_ count: Int) -> Bool {
    count > 1 && count & (count - 1) == 0
  }

  private struct File: Decodable {
    let ranks: Double
    let hosts: Double
    let rows: [Row]
  }

  private static func checked(_ path: String) throws -> ReduceMeasurement {
    let read: File = try decode(path, remedy: "nndist bench reduce --json writes it")
    func whole(_ value: Double, _ key: String) throws -> Int {
      guard let whole = Int(exactly: value) else {
        throw Failure(.badData, "\(path): \(key) is \(value), not a whole number")
      }
      return whole
    }
    let (ranks, hosts) = (try whole(read.ranks, "ranks"), try whole(read.hosts, "hosts"))
    try requireSome(read.rows, "rows", path)
    for (i, row) in read.rows.enumerated() {
      try requirePositive(row.bytes, "rows[\(i)].bytes", path)
      try requirePositive(row.reduceMicroseconds, "rows[\(i)].reduce_microseconds", path)
      try requirePositive(row.copyBytesPerSecond, "rows[\(i)].copy_bytes_per_second", path)
    }
    let rows = read.rows.sorted { $0.bytes < $1.bytes }
    return ReduceMeasurement(ranks: ranks, hosts: hosts, rows: rows)
  }
}

/// The results of `bench step --json`: a step of one rank without a reduction.
package struct StepMeasurement: Codable, Sendable {
  package struct Gradient: Codable, Sendable {
    package let name: String
    package let bytes: Double
    /// The fraction of the backward pass after which it is complete, 0 ... 1.
    package let ready: Double

    package init(name: String, bytes: Double, ready: Double) {
      (self.name, self.bytes, self.ready) = (name, bytes, ready)
    }
  }

  package struct Row: Codable, Sendable {
    /// The number of samples in the rank's batch.
    package let samples: Double
    package let forwardMicroseconds: Double
    package let backwardMicroseconds: Double
    package let optimizerMicroseconds: Double

    package init(
      samples: Double, forwardMicroseconds: Double, backwardMicroseconds: Double,
      optimizerMicroseconds: Double
    ) {
      self.samples = samples
      self.forwardMicroseconds = forwardMicroseconds
      self.backwardMicroseconds = backwardMicroseconds
      self.optimizerMicroseconds = optimizerMicroseconds
    }
  }

  package let name: String
  package let host: String
  /// In the order of the parameters in the arena.
  package let gradients: [Gradient]
  package let rows: [Row]

  package init(name: String, host: String, gradients: [Gradient], rows: [Row]) {
    (self.name, self.host, self.gradients, self.rows) = (name, host, gradients, rows)
  }

  /// Reads a measurement from a JSON file.
  /// - Throws: Failure(.badData), naming the path and the key.
  package static func read(_ path: String) throws -> StepMeasurement {
    let read: StepMeasurement = try decode(path, remedy: "nndist bench step --json writes it")
    try requireSome(read.gradients, "gradients", path)
    for (i, gradient) in read.gradients.enumerated() {
      try requirePositive(gradient.bytes, "gradients[\(i)].bytes", path)
      guard (0...1).contains(gradient.ready) else {
        throw Failure(
          .badData, "\(path): gradients[\(i)].ready is \(gradient.ready), not from 0 to 1")
      }
    }
    try requireSome(read.rows, "rows", path)
    for (i, row) in read.rows.enumerated() {
      try requirePositive(row.samples, "rows[\(i)].samples", path)
      try requirePositive(row.forwardMicroseconds, "rows[\(i)].forward_microseconds", path)
      try requirePositive(row.backwardMicroseconds, "rows[\(i)].backward_microseconds", path)
      try requirePositive(row.optimizerMicroseconds, "rows[\(i)].optimizer_microseconds", path)
    }
    return read
  }
}

private func requireSome<T>(_ values: [T], _ key: String, _ path: String) throws {
  if values.isEmpty { throw Failure(.badData, "\(path): \(key) is empty") }
}

private func requirePositive(_ value: Double, _ key: String, _ path: String) throws {
  guard value > 0, value.isFinite else {
    throw Failure(.badData, "\(path): \(key) is \(value), not above 0")
  }
}

private func decode<T: Decodable>(_ path: String, remedy: String) throws -> T {
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  let data = Data(try readText(path).utf8)
  do {
    // JSONDecoder's error does not give the place of a syntax error, but this one's does.
    _ = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
  } catch let error as NSError {
    let place = error.userInfo["NSDebugDescription"] ?? error.localizedDescription
    throw Failure(.badData, "\(path): this is not JSON: \(place)", remedy: remedy)
  }
  do {
    return try decoder.decode(T.self, from: data)
  } catch let error as DecodingError {
    throw Failure(.badData, "\(path): \(explanation(error))", remedy: remedy)
  }
}

/// A message that names the wrong key of the JSON and the error.
private func explanation(_ error: DecodingError) -> String {
  func place(_ path: [any CodingKey]) -> String {
    path.reduce(into: "") { text, key in
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        text += (text.isEmpty ? "" : ".") + snakeCase(key.stringValue)
      }
    }
  }
  switch error {
  case .keyNotFound(let key, let context):
    return "key \(place(context.codingPath + [key])) is missing"
  case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
    let place = place(context.codingPath)
    let expected =
      switch type {
      case is Double.Type: "a number"
      case is String.Type: "a text"
      default: "\(type)".hasPrefix("Array") ? "a list" : "an object"
      }
    return "\(place.isEmpty ? "the top" : "key \(place)") is not \(expected)"
  case .dataCorrupted(let context):
    return "\(place(context.codingPath)): \(context.debugDescription)"
  @unknown default: return "this is not what is expected: \(error)"
  }
}

/// Converts "reduceMicroseconds" to "reduce_microseconds".
private func snakeCase(_ name: String) -> String {
  name.map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }.joined()
}

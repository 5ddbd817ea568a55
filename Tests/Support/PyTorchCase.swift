import Autograd
import Foundation
import Tensors
import Testing

/// One call of PyTorch with its results, as pytorch_cases.py writes it.
public struct PyTorchCase: Decodable, Sendable, CustomTestStringConvertible {
  /// A tensor's shape, dtype and values, in row-major order.
  public struct Packed: Decodable, Sendable {
    public let shape: [Int]
    public let dtype: String
    public let layout: String
    public let values: [Number]

    public var numbers: [Double] { values.map(\.value) }

    /// The tensor; with the layout "reversed" a view that is not contiguous.
    public var tensor: Tensor {
      let whole =
        switch dtype {
        case "float32": Tensor(numbers.map { Float($0) }, shape: Shape(shape))
        case "float64": Tensor(numbers, shape: Shape(shape))
        case "int64": Tensor(numbers.map { Int64($0) }, shape: Shape(shape))
        case "int32": Tensor(numbers.map { Int32($0) }, shape: Shape(shape))
        case "uint8": Tensor(numbers.map { UInt8($0) }, shape: Shape(shape))
        case "bool": Tensor(numbers.map { $0 != 0 }, shape: Shape(shape))
        default: fatalError("a case of dtype \(dtype)")
        }
      guard layout == "reversed" else { return whole }
      let order = Array(whole.shape.indices.reversed())
      return whole.permutedView(order).copied().permutedView(order)
    }
  }

  /// A number, or "inf", "-inf", "nan", which JSON has not.
  public struct Number: Decodable, Sendable {
    public let value: Double
    public init(from decoder: any Decoder) throws {
      let field = try decoder.singleValueContainer()
      value = try (try? field.decode(Double.self)) ?? Double(field.decode(String.self)) ?? .nan
    }
  }

  /// What the call was given besides tensors.
  public enum Argument: Decodable, Sendable {
    case number(Double)
    case flag(Bool)
    case text(String)
    case list([Double])
    case none

    public init(from decoder: any Decoder) throws {
      let field = try decoder.singleValueContainer()
      if field.decodeNil() {
        self = .none
      } else if let flag = try? field.decode(Bool.self) {
        self = .flag(flag)
      } else if let number = try? field.decode(Double.self) {
        self = .number(number)
      } else if let list = try? field.decode([Double].self) {
        self = .list(list)
      } else {
        self = .text(try field.decode(String.self))
      }
    }
  }

  public let op: String
  public let arguments: [String: Argument]
  public let inputs, outputs: [Packed]
  public let seeds, gradients: [Packed?]
  public var testDescription: String { "\(op) of \(inputs.map(\.shape)) \(arguments)" }

  public func number(_ name: String) -> Double? {
    if case .number(let value)? = arguments[name] { value } else { nil }
  }
  public func int(_ name: String) -> Int? { number(name).map { Int($0) } }
  public func flag(_ name: String) -> Bool {
    if case .flag(true)? = arguments[name] { true } else { false }
  }
  public func text(_ name: String) -> String? {
    if case .text(let value)? = arguments[name] { value } else { nil }
  }
  public func ints(_ name: String) -> [Int]? {
    if case .list(let values)? = arguments[name] { values.map { Int($0) } } else { nil }
  }

  /// Runs `body` on the inputs and compares outputs and gradients.
  /// - Parameters:
  ///   - relative: tolerance, of the largest element of each expected tensor (and of `leastScale` at
  ///     least), for float32; float64 gets 1e-8 times as much. Integers and bool must be equal.
  ///   - leastScale: the size of the terms of sums that may cancel.
  /// - Returns: how many tensors were compared.
  @discardableResult
  public func check(
    relative: Double, leastScale: Double = 1e-3, _ body: ([Tensor]) throws -> [Tensor]
  ) rethrows -> Int {
    let inputs = inputs.map(\.tensor)
    for (input, gradient) in zip(inputs, gradients) where gradient != nil {
      input.requiresGrad = true
    }
    let results = try body(inputs)
    #expect(results.count == outputs.count, "\(testDescription): number of outputs")
    var compared = 0
    for (i, (result, expected)) in zip(results, outputs).enumerated() {
      compare(result, expected, relative, leastScale, "output \(i)")
      compared += 1
    }
    for (result, seed) in zip(results, seeds) {
      if let seed { result.backward(seed: seed.tensor, retainGraph: results.count > 1) }
    }
    for (i, (input, expected)) in zip(inputs, gradients).enumerated() {
      guard let expected else { continue }
      guard let gradient = input.grad else {
        Issue.record("\(testDescription): input \(i) got no gradient")
        continue
      }
      compare(gradient, expected, relative, leastScale, "gradient of input \(i)")
      compared += 1
    }
    return compared
  }

  private func compare(
    _ actual: Tensor, _ expected: Packed, _ relative: Double, _ leastScale: Double, _ what: String
  ) {
    let name = "\(testDescription): \(what)"
    #expect(Array(actual.shape) == expected.shape, "\(name): shape")
    #expect(actual.dtype.description == expected.dtype, "\(name): dtype")
    guard Array(actual.shape) == expected.shape, actual.dtype.description == expected.dtype else {
      return
    }
    let numbers = actual.asDoubles
    let largest = expected.numbers.filter(\.isFinite).map { abs($0) }.max() ?? 0
    let scale = actual.dtype == .float32 ? relative : relative * 1e-8
    let tolerance = actual.dtype.isFloatingPoint ? scale * max(largest, leastScale) : 0
    for (i, (a, e)) in zip(numbers, expected.numbers).enumerated() {
      let isEqual = a == e || (a.isNaN && e.isNaN) || abs(a - e) <= tolerance
      if !isEqual {
        Issue.record("\(name): element \(i) is \(a), PyTorch's \(e), tolerance \(tolerance)")
        return
      }
    }
  }
}

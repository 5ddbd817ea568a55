import Glibc
import System
import Tensors

/// Prints a tensor like PyTorch (torch/_tensor_str.py, default options): four digits after the
/// decimal point, the same width for all elements, only the edges if there are more than 1000
/// elements, lines of 80 characters.
extension Tensor: CustomStringConvertible {
  public var description: String {
    let text = TensorText(value)
    var suffixes: [String] = []
    if elementCount == 0 {
      if axisCount != 1 {
        // A Python tuple. It never needs the trailing comma of a tuple of one element here.
        suffixes.append("size=(" + shape.map(String.init).joined(separator: ", ") + ")")
      }
      if dtype != .float32 { suffixes.append("dtype=torch.\(dtype)") }
    } else if ![.float32, .int64, .bool].contains(dtype) {
      suffixes.append("dtype=torch.\(dtype)")
    }
    if let function = gradientFunction {
      suffixes.append("grad_fn=<\(function)>")
    } else if requiresGrad {
      suffixes.append("requires_grad=True")
    }
    return TensorText.joined(TensorText.prefix + text.body, suffixes)
  }
}

/// The text of the elements, with their brackets.
private struct TensorText {
  static let prefix = "tensor("
  private static let (lineWidth, edgeItems, threshold, precision) = (80, 3, 1000, 4)

  private let tensor: Tensor
  private let isSummarized: Bool
  private var notation = Notation.exact
  private var width = 1

  private enum Notation {
    case exact  // integers and bool
    case wholeFloats  // "2."
    case fixed, scientific
  }

  init(_ tensor: Tensor) {
    self.tensor = tensor
    isSummarized = tensor.elementCount > TensorText.threshold
    let shown = shownOffsets()
    guard tensor.dtype.isFloatingPoint else {
      width = shown.map { unpadded(at: $0).count }.max() ?? 1
      return
    }
    notation = .wholeFloats
    let known = shown.filter { number(at: $0).isFinite && number(at: $0) != 0 }
    let sizes = known.map { abs(number(at: $0)) }
    guard let minimum = sizes.min(), let maximum = sizes.max() else { return }
    if maximum / minimum > 1000 || maximum > 1e8 || minimum < 1e-4 {
      notation = .scientific
    } else if !sizes.allSatisfy({ $0 == $0.rounded() }) {
      notation = .fixed
    }
    width = known.map { unpadded(at: $0).count }.max()!
  }

  var body: String {
    tensor.elementCount == 0
      ? "[]" : text(axis: 0, at: tensor.offset, indent: TensorText.prefix.count)
  }

  /// The indices of an axis that are printed; nil stands for the gap.
  private func shownIndices(_ axis: Int) -> [Int?] {
    let (extent, edge) = (tensor.shape[axis], TensorText.edgeItems)
    guard isSummarized && extent > 2 * edge else { return Array(0..<extent) }
    return Array(0..<edge) + [nil] + Array(extent - edge..<extent)
  }

  private func shownOffsets() -> [Int] {
    var offsets: [Int] = []
    func walk(_ axis: Int, _ offset: Int) {
      if axis == tensor.axisCount { return offsets.append(offset) }
      for case let i? in shownIndices(axis) { walk(axis + 1, offset + i * tensor.strides[axis]) }
    }
    walk(0, tensor.offset)
    return offsets
  }

  private func element<Scalar: TensorScalar>(_ type: Scalar.Type, at offset: Int) -> Scalar {
    tensor.storage.base.assumingMemoryBound(to: type)[offset]
  }

  private func number(at offset: Int) -> Double {
    tensor.dtype == .float32
      ? Double(element(Float.self, at: offset)) : element(Double.self, at: offset)
  }

  private func unpadded(at offset: Int) -> String {
    switch tensor.dtype {
    case .float32, .float64: break
    case .int32: return String(element(Int32.self, at: offset))
    case .int64: return String(element(Int64.self, at: offset))
    case .uint8: return String(element(UInt8.self, at: offset))
    case .bool: return element(Bool.self, at: offset) ? "True" : "False"
    }
    let value = number(at: offset)
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    return switch notation {
    case .exact, .wholeFloats: printed("%.*f", 0, value) + "."
    case .fixed: printed("%.*f", TensorText.precision, value)
    case .scientific: printed("%.*e", TensorText.precision, value)
    }
  }

  private func text(axis: Int, at offset: Int, indent: Int) -> String {
    if axis == tensor.axisCount { return padded(at: offset) }
    let step = tensor.strides[axis]
    if axis == tensor.axisCount - 1 {
      let items = shownIndices(axis).map { $0.map { padded(at: offset + $0 * step) } ?? " ..." }
      let perLine = max(1, (TensorText.lineWidth - indent) / (width + 2))
      let lines = stride(from: 0, to: items.count, by: perLine).map {
        items[$0..<min($0 + perLine, items.count)].joined(separator: ", ")
      }
      return "[" + lines.joined(separator: ",\n" + spaces(indent + 1)) + "]"
    }
    let parts = shownIndices(axis).map {
      $0.map { text(axis: axis + 1, at: offset + $0 * step, indent: indent + 1) } ?? "..."
    }
    let newlines = String(repeating: "\n", count: tensor.axisCount - axis - 1)
    return "[" + parts.joined(separator: "," + newlines + spaces(indent + 1)) + "]"
  }

  private func padded(at offset: Int) -> String {
    let text = unpadded(at: offset)
    return spaces(width - text.count) + text
  }

  /// Appends `suffixes` to the elements, each on the last line if it fits there.
  static func joined(_ text: String, _ suffixes: [String]) -> String {
    var whole = text
    let lastLine = text.split(separator: "\n", omittingEmptySubsequences: false).last!
    // Two more than the actual length, as PyTorch counts.
    var lineLength = lastLine.count + 2
    for suffix in suffixes {
      if lineLength + suffix.count + 2 > lineWidth {
        whole += ",\n" + spaces(prefix.count) + suffix
        lineLength = prefix.count + suffix.count
      } else {
        whole += ", " + suffix
        lineLength += suffix.count + 2
      }
    }
    return whole + ")"
  }
}

private func spaces(_ count: Int) -> String { String(repeating: " ", count: max(count, 0)) }

/// Formats a number with C's `printf`, which rounds like Python.
private func printed(_ format: String, _ precision: Int, _ value: Double) -> String {
  // A Double has at most 309 digits before the decimal point.
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { buffer in
    let count = withVaList([Int32(precision), value]) {
      vsnprintf(buffer.baseAddress!, buffer.count, format, $0)
    }
    return String(decoding: buffer[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

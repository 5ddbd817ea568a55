import CKernels
import Glibc

/// The kind of a collective call.
package enum CollectiveOperation: UInt8, Sendable {
  case barrier, broadcast, allreduceMax, allreduceMin, allgather, gather, agreement, sum
  case windowRoom, sharedWindow, finalize, failure

  /// Its name in messages and fault points.
  package var name: String {
    switch self {
    case .barrier: "barrier"
    case .broadcast: "broadcast"
    case .allreduceMax: "allreduce of the maximum"
    case .allreduceMin: "allreduce of the minimum"
    case .allgather: "allgather"
    case .gather: "gather"
    case .agreement: "agreement"
    case .sum: "sum"
    case .windowRoom: "question for room in shared memory"
    case .sharedWindow: "making of a shared window"
    case .finalize: "end of MPI"
    case .failure: "end of the program by an error"
    }
  }
}

/// The element type of the data that a collective moves.
package enum CollectiveElement: UInt8, Sendable {
  case none, byte, int64, uint64, float32, bfloat16
}

/// The description of a collective call, which all ranks compare before the call: it must be the
/// same on all of them.
///
/// It does not contain the sequence number: ranks compare the headers of the same number.
struct CollectiveHeader {
  /// The source file of the call, or its purpose.
  enum Site {
    case text(String)
    case literal(StaticString)

    var text: String {
      switch self {
      case .text(let text): text
      case .literal(let literal): literal.description
      }
    }
  }

  var operation: CollectiveOperation
  var element: CollectiveElement
  /// In elements; nil: the counts of the ranks may differ.
  var count: Int?
  /// The training step; 0 before the first.
  var step: Int
  var site: Site
  /// The source line; 0 if the site's text is enough.
  var line: Int

  /// The size in memory: six words, then the site's text, which is cut if it is longer.
  static let byteCount = 128
  private static let textOffset = 48
  private static let textCapacity = byteCount - textOffset

  /// Writes the header to `place`. Equal headers give equal bytes.
  /// - Parameter place: 128 bytes, 8-byte aligned.
  func write(to place: UnsafeMutableRawPointer) {
    let words = place.assumingMemoryBound(to: Int64.self)
    words[0] = Int64(operation.rawValue)
    words[1] = Int64(element.rawValue)
    words[2] = Int64(count ?? -1)
    words[3] = Int64(step)
    words[4] = Int64(line)
    let text = place + CollectiveHeader.textOffset
    memset(text, 0, CollectiveHeader.textCapacity)
    func write(_ utf8: UnsafeBufferPointer<UInt8>) {
      let count = min(utf8.count, CollectiveHeader.textCapacity)
      words[5] = Int64(count)
      if count > 0 { memcpy(text, utf8.baseAddress!, count) }
    }
    switch site {
    case .literal(let literal): literal.withUTF8Buffer(write)
    case .text(var string): string.withUTF8(write)
    }
  }

  /// Reads a header that a rank of this build wrote.
  init(readFrom place: UnsafeRawPointer) {
    let words = place.assumingMemoryBound(to: Int64.self)
    operation = CollectiveOperation(rawValue: UInt8(truncatingIfNeeded: words[0])) ?? .barrier
    element = CollectiveElement(rawValue: UInt8(truncatingIfNeeded: words[1])) ?? .none
    count = words[2] < 0 ? nil : Int(words[2])
    step = Int(words[3])
    line = Int(words[4])
    let length = min(max(Int(words[5]), 0), CollectiveHeader.textCapacity)
    let text = UnsafeRawBufferPointer(start: place + CollectiveHeader.textOffset, count: length)
    site = .text(String(decoding: text, as: UTF8.self))
  }

  init(
    _ operation: CollectiveOperation, _ element: CollectiveElement, count: Int?, step: Int,
    site: Site, line: Int
  ) {
    self.operation = operation
    self.element = element
    self.count = count
    self.step = step
    self.site = site
    self.line = line
  }

  /// A hash of the header that `write` wrote to `place`.
  static func digest(_ place: UnsafeRawPointer) -> UInt64 { nd_hash(place, byteCount) }
}

extension CollectiveHeader: CustomStringConvertible {
  /// "sum of 7850 float32 (gradients, step 7)"
  var description: String {
    var what = operation.name
    switch (count, element) {
    case (nil, .none): break
    case (let count?, .none): what += " of \(count)"
    case (let count?, _): what += " of \(count) \(element)"
    case (nil, _): what += " of \(element)s"
    }
    let place = line == 0 ? site.text : "\(site.text):\(line)"
    return "\(what) (\(place), " + (step == 0 ? "before step 1)" : "step \(step))")
  }
}

/// A list of optional references that stores its first three inline, so that the list of an op's
/// inputs usually allocates no memory. The steps of small networks would otherwise spend much time
/// on lists.
struct ShortList<Element: AnyObject> {
  private var first, second, third: Element?
  private var others: [Element?] = []
  private(set) var count = 0

  init() {}

  init(_ elements: [Element]) { for element in elements { append(element) } }

  @inline(__always) mutating func append(_ element: Element?) {
    switch count {
    case 0: first = element
    case 1: second = element
    case 2: third = element
    default: others.append(element)
    }
    count += 1
  }

  var indices: Range<Int> { 0..<count }

  /// - Precondition: 0 <= index < count.
  @inline(__always) subscript(index: Int) -> Element? {
    switch index {
    case 0: first
    case 1: second
    case 2: third
    default: others[index - 3]
    }
  }
}

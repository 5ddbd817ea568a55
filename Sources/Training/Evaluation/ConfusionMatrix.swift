/// The number of samples for each pair of actual and predicted class.
package struct ConfusionMatrix: Sendable, Equatable {
  package let classCount: Int
  /// [actual][predicted], row-major.
  package private(set) var counts: [Int]

  package init(classCount: Int) {
    self.classCount = classCount
    counts = [Int](repeating: 0, count: classCount * classCount)
  }

  package mutating func add(predicted: Int, actual: Int) {
    counts[actual * classCount + predicted] += 1
  }

  package mutating func add(_ other: ConfusionMatrix) {
    for i in counts.indices { counts[i] += other.counts[i] }
  }

  package subscript(actual actual: Int, predicted predicted: Int) -> Int {
    counts[actual * classCount + predicted]
  }

  package var total: Int { counts.reduce(0, +) }
  package var correct: Int { (0..<classCount).reduce(0) { $0 + self[actual: $1, predicted: $1] } }

  /// The fraction of the samples predicted as `c` that are `c`; nil if no sample was predicted as
  /// `c`.
  package func precision(_ c: Int) -> Double? {
    let taken = (0..<classCount).reduce(0) { $0 + self[actual: $1, predicted: c] }
    return taken == 0 ? nil : Double(self[actual: c, predicted: c]) / Double(taken)
  }

  /// The fraction of the samples of class `c` that are predicted as `c`; nil if there are none.
  package func recall(_ c: Int) -> Double? {
    let all = (0..<classCount).reduce(0) { $0 + self[actual: c, predicted: $1] }
    return all == 0 ? nil : Double(self[actual: c, predicted: c]) / Double(all)
  }
}

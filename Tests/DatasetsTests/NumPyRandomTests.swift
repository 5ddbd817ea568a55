import Datasets
import TestSupport
import Testing

/// Golden/numpy_random.py.
private struct Recorded: Decodable {
  struct Call: Decodable {
    let op: String
    let low: String
    let high: String
    let count: Int
    let result: [String]
  }
  struct Sequence: Decodable {
    let seed: UInt32
    let calls: [Call]
  }
  struct Blobs: Decodable {
    let seed: UInt32
    let count: Int
    let features: Int
    let centers: Int
    let deviation: Double
    let box: [Double]
    let samples: [String]
    let labels: [Int]
  }
  let sequences: [Sequence]
  let blobs: [Blobs]
}

/// As Python's struct.pack(">d", value).hex().
private func bits(_ value: Double) -> String {
  let digits = String(value.bitPattern, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}

struct NumPyRandomTests {
  private let recorded: Recorded
  init() throws { recorded = try golden("numpy_random.json") }

  private func result(of call: Recorded.Call, _ random: inout NumPyRandom) -> [String] {
    func reals(_ draw: (inout NumPyRandom) -> Double) -> [String] {
      (0..<call.count).map { _ in bits(draw(&random)) }
    }
    func integers(_ draw: (inout NumPyRandom) -> Int) -> [String] {
      (0..<call.count).map { _ in String(draw(&random)) }
    }
    let (low, high) = (Double(call.low)!, Double(call.high)!)
    switch call.op {
    case "random_sample": return reals { $0.randomSample() }
    case "uniform": return reals { $0.uniform(low: low, high: high) }
    case "standard_normal": return reals { $0.standardNormal() }
    case "normal": return reals { $0.normal(mean: low, deviation: high) }
    default: break
    }
    let (first, last) = (Int(call.low)!, Int(call.high)!)
    switch call.op {
    case "randint": return integers { $0.randint(low: first, high: last) }
    case "random_integers": return integers { $0.randomIntegers(low: first, high: last) }
    case "choice_replace": return random.choice(last, count: call.count).map(String.init)
    case "choice": return random.choice(last, count: call.count, replace: false).map(String.init)
    case "permutation": return random.permutation(last).map(String.init)
    default:
      var values = (0..<last).map { $0 * 3 }
      random.shuffle(&values)
      return values.map(String.init)
    }
  }

  @Test func mixedCallsDrawNumPysBits() {
    var drawn = 0
    for sequence in recorded.sequences {
      var random = NumPyRandom(seed: sequence.seed)
      for (i, call) in sequence.calls.enumerated() {
        let result = Array(result(of: call, &random).suffix(call.result.count))
        #expect(result == call.result, "seed \(sequence.seed), call \(i): \(call)")
        drawn += call.count
      }
    }
    #expect(drawn > 14_000)
  }

  @Test func makeBlobsHasTheBitsOfScikitLearn() {
    for blobs in recorded.blobs {
      var random = NumPyRandom(seed: blobs.seed)
      let (samples, labels) = random.makeBlobs(
        count: blobs.count, featureCount: blobs.features, centerCount: blobs.centers,
        deviation: blobs.deviation, centerBox: (blobs.box[0], blobs.box[1]))
      #expect(samples.map(bits) == blobs.samples, "seed \(blobs.seed)")
      #expect(labels == blobs.labels, "seed \(blobs.seed)")
    }
  }

  /// The seed that the Mersenne Twister's authors give, and its 10000th number, which the C++
  /// standard states for it (mt19937, [rand.predef]).
  @Test func tenThousandthNumberOfTheDefaultSeedIsTheStandards() {
    var random = NumPyRandom(seed: 5489)
    var last = 0
    for _ in 0..<10_000 { last = random.randint(high: 1 << 32) }
    #expect(last == 4_123_659_995)
  }

  static let contracts = [
    BrokenContract("randint", "randint: no integer in 3 ..< 3") {
      var random = NumPyRandom(seed: 0)
      _ = random.randint(low: 3, high: 3)
    },
    BrokenContract("choice", "choice: 4 of 3 without putting back") {
      var random = NumPyRandom(seed: 0)
      _ = random.choice(3, count: 4, replace: false)
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrap(_ contract: BrokenContract) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in NumPyRandomTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

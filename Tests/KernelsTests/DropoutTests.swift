import Kernels
import Tensors
import Testing

struct DropoutTests {
  private func mask(
    _ rate: Double, samples: [Int], width: Int = 1000, seed: UInt64 = 1, step: Int = 1,
    layer: String = "a"
  ) -> [Bool] {
    dropoutMask(
      [samples.count, width], rate: rate,
      key: RandomKey(seed: seed, step: step, samples: samples, layer: layer)
    ).values(Bool.self)
  }

  /// n elements are kept with probability p: 5 standard deviations are 5 sqrt(p (1 - p) / n).
  @Test(arguments: [0.1, 0.25, 0.5, 0.9]) func elementsAreKeptAtTheRate(rate: Double) {
    let flags = mask(rate, samples: Array(0..<100))
    let kept = Double(flags.filter { $0 }.count) / Double(flags.count)
    let deviation = (rate * (1 - rate) / Double(flags.count)).squareRoot()
    #expect(abs(kept - (1 - rate)) < 5 * deviation)
  }

  @Test func rateZeroKeepsAllAndRateOneNone() {
    #expect(mask(0, samples: [0, 1]).allSatisfy { $0 })
    #expect(!mask(1, samples: [0, 1]).contains(true))
  }

  /// A sample's mask does not depend on its batch or its position there.
  @Test func maskDependsOnTheKeyAlone() {
    let whole = mask(0.5, samples: [7, 3, 9])
    #expect(mask(0.5, samples: [3]) == Array(whole[1000..<2000]))
    #expect(mask(0.5, samples: [9, 7]) == Array(whole[2000...]) + Array(whole[..<1000]))
    let one = mask(0.5, samples: [7])
    #expect(mask(0.5, samples: [8]) != one)
    #expect(mask(0.5, samples: [7], seed: 2) != one)
    #expect(mask(0.5, samples: [7], step: 2) != one)
    #expect(mask(0.5, samples: [7], layer: "b") != one)
    #expect(mask(0.5, samples: [7], width: 5) == Array(one.prefix(5)))
  }

  @Test func keptElementsAreScaled() {
    let flags = Tensor([true, false, true, false], shape: [4])
    let x = Tensor([1, 2, .nan, .infinity] as [Float], shape: [4])
    let y = masked(x, flags, scale: 2).values(Float.self)
    #expect(y[0] == 2 && y[1] == 0 && y[2].isNaN && y[3] == 0)
  }
}

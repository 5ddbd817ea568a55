import TestSupport
import Testing

struct RandomCasesTests {
  @Test func tenThousandCasesCompareKernelsWithTheReference() {
    #expect(RandomCases.total >= 10_000)
  }
}

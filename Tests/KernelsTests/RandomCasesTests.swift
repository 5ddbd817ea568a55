import TestSupport
import Testing

struct RandomCasesTests {
  @Test func tenThousandCasesHoldKernelsAgainstTheirTwins() {
    #expect(RandomCases.total >= 10_000)
  }
}

import DataParallel
import Testing

struct ReplicaCheckTests {
  @Test func ranksThatAgreeHaveNoOutliers() {
    #expect(ReplicaCheck.outliers([5]) == nil)
    #expect(ReplicaCheck.outliers([7, 7, 7, 7]) == nil)
  }

  @Test func theMinorityIsNamed() {
    #expect(ReplicaCheck.outliers([1, 1, 2]) == "rank 2 against 2 of 3 ranks")
    #expect(ReplicaCheck.outliers([9, 1, 1, 2, 1]) == "rank 0, rank 3 against 3 of 5 ranks")
    // No half of all, but more than any other.
    #expect(ReplicaCheck.outliers([1, 2, 3, 3]) == "rank 0, rank 1 against 2 of 4 ranks")
  }

  @Test func tiesNameNobody() {
    #expect(ReplicaCheck.outliers([1, 2]) == "no majority among ranks 0 to 1")
    #expect(ReplicaCheck.outliers([1, 1, 2, 2]) == "no majority among ranks 0 to 3")
    #expect(ReplicaCheck.outliers([1, 2, 3]) == "no majority among ranks 0 to 2")
  }
}

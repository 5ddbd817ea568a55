import System
import Testing

/// Expects `body` to throw a Failure of `status` whose message holds each of `parts`.
/// - Parameter remedy: what its remedy must hold.
public func expectFailure(
  _ status: Failure.Status, _ parts: String..., remedy: String = "",
  at location: SourceLocation = #_sourceLocation, from body: () throws -> Void
) {
  let failure = #expect(throws: Failure.self, sourceLocation: location) { try body() }
  guard let failure else { return }
  #expect(failure.status == status, "\(failure)", sourceLocation: location)
  for part in parts {
    #expect(failure.message.contains(part), "\(failure)", sourceLocation: location)
  }
  if !remedy.isEmpty {
    #expect(failure.remedy.contains(remedy), "\(failure)", sourceLocation: location)
  }
  #expect(!failure.message.contains("\n"), sourceLocation: location)
}

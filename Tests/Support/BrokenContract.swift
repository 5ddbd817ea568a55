import Testing

/// A call that must trap, and what it must say.
///
///     @Test(arguments: contracts) func brokenContractsTrap(_ contract: BrokenContract) async {
///       let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
///         [name = contract.name as String] in contracts.breakContract(name)
///       }
///       contract.expectMessage(result)
///     }
public struct BrokenContract: Sendable, CustomTestStringConvertible {
  public let name: String
  private let message: String
  private let body: @Sendable () -> Void

  public init(_ name: String, _ message: String, _ body: @escaping @Sendable () -> Void) {
    self.name = name
    self.message = message
    self.body = body
  }

  public var testDescription: String { name }

  public func expectMessage(
    _ result: ExitTest.Result?, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(
      text.contains("Fatal error: " + message), "\(name)", sourceLocation: sourceLocation)
  }

  fileprivate func breakIt() { body() }
}

extension [BrokenContract] {
  /// Runs the call of that name, in the process that it is to end.
  public func breakContract(_ name: String) { first { $0.name == name }!.breakIt() }
}

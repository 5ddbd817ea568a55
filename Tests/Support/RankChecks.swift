import Testing

/// Runs `rankchecks` with `arguments` on `ranks` ranks and expects that the check held on as many.
public func expectHolds(
  _ arguments: [String], ranks: Int, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let outcome = try mpirun(ranks: ranks, [builtProduct("rankchecks")] + arguments)
  #expect(outcome.status == 0, "\(outcome)", sourceLocation: sourceLocation)
  #expect(
    outcome.stdout == "\(arguments.joined(separator: " ")): held, worldSize \(ranks)\n",
    "\(outcome)", sourceLocation: sourceLocation)
}

/// Traps with `message` unless `condition` holds: a broken contract inside the program.
///
/// Like `precondition`, whose message an optimised build does not print.
@inlinable
public func require(
  _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID,
  line: UInt = #line
) {
  if !condition { fatalError(message(), file: file, line: line) }
}

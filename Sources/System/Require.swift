/// Traps with `message` if `condition` is false. For contracts inside the program.
///
/// Unlike `precondition`, it prints its message also in an optimised build.
@inlinable
package func require(
  _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID,
  line: UInt = #line
) {
  if !condition { fatalError(message(), file: file, line: line) }
}

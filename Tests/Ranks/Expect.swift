/// A claim that did not hold on this rank.
struct Unmet: Error, CustomStringConvertible {
  let description: String
}

func expect(
  _ claim: Bool, _ what: @autoclosure () -> String, file: String = #fileID, line: Int = #line
) throws {
  if !claim { throw Unmet(description: "\(file):\(line): \(what())") }
}

func expectEqual<T: Equatable>(
  _ got: T, _ expected: T, _ what: String, file: String = #fileID, line: Int = #line
) throws {
  try expect(
    got == expected, "\(what): got \(got), expected \(expected)", file: file, line: line)
}

/// The error of type `E` that `body` throws.
func thrown<E: Error>(
  _ type: E.Type, file: String = #fileID, line: Int = #line, by body: () throws -> Void
) throws -> E {
  do {
    try body()
  } catch let error as E {
    return error
  } catch {
    throw Unmet(description: "\(file):\(line): threw \(error), expected \(type)")
  }
  throw Unmet(description: "\(file):\(line): threw nothing, expected \(type)")
}

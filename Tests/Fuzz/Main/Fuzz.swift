// What libFuzzer's own main calls; launch/fuzz builds and runs it. NNDIST_FUZZ_PARSER says which
// parser is given the bytes.
import FuzzedParsers
import Glibc

private let inputs: FuzzedInputs = {
  guard let name = getenv("NNDIST_FUZZ_PARSER").map({ String(cString: $0) }),
    let parser = FuzzedParser(rawValue: name)
  else { fatalError("NNDIST_FUZZ_PARSER: one of \(FuzzedParser.allCases.map(\.rawValue))") }
  return FuzzedInputs(parser)
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  inputs.parse(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}

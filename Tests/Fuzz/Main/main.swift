// Gives one parser whatever libFuzzer makes up; launch/fuzz builds and runs it. NNDIST_FUZZ_PARSER says
// which parser; the arguments are libFuzzer's.
import FuzzedParsers
import Glibc

// Of libFuzzer (https://llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a library").
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

guard let name = getenv("NNDIST_FUZZ_PARSER").map({ String(cString: $0) }),
  let parser = FuzzedParser(rawValue: name)
else { fatalError("NNDIST_FUZZ_PARSER: one of \(FuzzedParser.allCases.map(\.rawValue))") }
// libFuzzer has one thread.
nonisolated(unsafe) let inputs = FuzzedInputs(parser)
var count = CommandLine.argc
var arguments = CommandLine.unsafeArgv
exit(
  runFuzzer(&count, &arguments) { start, count in
    inputs.parse(UnsafeRawBufferPointer(start: start, count: count))
    return 0
  })

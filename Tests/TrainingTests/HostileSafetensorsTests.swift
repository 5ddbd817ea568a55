import System
import TestSupport
import Testing
import Training

/// Row 45: files made to harm are one error each, and take neither time nor memory.
@Suite struct HostileSafetensorsTests {
  @Test func thereAreForty() { #expect(hostileSafetensors.count >= 40) }

  @Test(.timeLimit(.minutes(1)), arguments: hostileSafetensors)
  func hostileFileIsOneErrorThatSaysWhy(file: HostileFile) {
    let folder = TemporaryFolder()
    let path = folder.write("hostile.safetensors", file.bytes)
    expectFailure(.badData, path, file.message) { _ = try Safetensors.read(path) }
  }

  @Test func hostileFilesTakeNoMemory() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      // Made one by one, and only what the reader takes is counted.
      let files = hostileSafetensors.map { folder.write($0.description, $0.bytes) }
      let before = peakMemoryBytes()
      for path in files { #expect(throws: Failure.self) { _ = try Safetensors.read(path) } }
      #expect(peakMemoryBytes() - before < 50 << 20)
    }
  }
}

import FoundationEssentials

/// Why a test that injects faults is skipped.
public let cannotInject = "strace is missing, or may trace nothing here"

/// Whether strace can make system calls fail here.
public let canInject: Bool = {
  let folder = TemporaryFolder()
  let arguments = strace(
    ["mkdir", folder.path + "/made"], paths: [folder.path + "/made"],
    inject: "mkdir:error=ENOSPC:when=1")
  let outcome = try? run(arguments)
  return outcome?.status == 1 && outcome?.stderr.contains("No space left on device") == true
}()

/// `arguments` under strace, which makes system calls on `paths` fail.
/// - Parameters:
///   - paths: as the program writes them; other calls are left alone.
///   - inject: as strace's option, such as "write:error=ENOSPC:when=1": the first write of each thread.
///     (Strace counts by thread and by kind of call.) nil: nothing fails.
///   - calls: what is logged; those of `inject` where not given.
///   - log: where the calls are written to, a line each.
public func strace(
  _ arguments: [String], paths: [String], inject: String? = nil, calls: String? = nil,
  log: String = "/dev/null"
) -> [String] {
  let injected = inject.map { String($0.prefix { $0 != ":" }) }
  return ["strace", "-f", "-qq", "-o", log, "-e", "trace=\(calls ?? injected ?? "all")"]
    + paths.flatMap { ["-P", $0] } + (inject.map { ["-e", "inject=\($0)"] } ?? []) + arguments
}

/// The lines of a log of `strace`.
public func loggedCalls(_ path: String) -> [Substring] {
  String(decoding: contents(path), as: UTF8.self).split(separator: "\n")
}

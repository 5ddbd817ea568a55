// rankchecks NAME [SHARDS]: runs one check on the ranks it finds. Exits 0 when it holds on all of
// them, and otherwise prints what does not and ends the job with status 70.
import Communication
import Glibc
import System

func runCheck(_ name: String, _ argument: Int?, _ communicator: Communicator) throws {
  switch (name, argument) {
  case ("places", nil): try checkPlaces(communicator)
  case ("collectives", nil): try checkCollectives(communicator)
  case ("barriers", nil): try checkBarriers(communicator)
  case ("messages", nil): try checkMessages(communicator)
  case ("mpi-error", nil): try checkMPIError(communicator)
  case ("dropped-request", nil): try dropRequest(communicator)
  case ("agreement", nil): try checkAgreement(communicator)
  case ("out-of-step", nil): try checkOutOfStep(communicator)
  case ("mismatches", nil), ("mismatches-by-messages", nil): try checkMismatches(communicator)
  case ("tree", let shardCount?): try checkTree(communicator, shardCount: shardCount)
  case ("tree-path", nil): try checkTreePath(communicator)
  case ("window", nil): try checkWindow(communicator)
  case ("window-room", nil): try checkWindowRoom(communicator)
  case ("no-window-room", nil): try checkNoWindowRoom(communicator)
  case ("window-races", let shardCount?): try checkRaces(communicator, shardCount: shardCount)
  case ("leaving-rank", let reductions?): try leave(communicator, after: reductions)
  case ("killed-rank", let reductions?): try die(communicator, after: reductions)
  case ("step", nil): try checkStep(communicator)
  case ("misuse", nil): try checkMisuse(communicator)
  case ("tree-disagreement", nil): try checkTreeDisagreement(communicator)
  case ("abort", let status?):
    if communicator.rank == 0 { communicator.abort(status: Int32(status)) }
  default: throw Failure(.usage, "no check '\(name)' with these arguments")
  }
}

let communicator = try Communicator.world()
do {
  try communicator.verifySameBuild()
  let isByMessages = CommandLine.arguments.dropFirst().first?.hasSuffix("by-messages") ?? false
  if !isByMessages { try communicator.openBoard() }
  let arguments = CommandLine.arguments.dropFirst()
  try runCheck(arguments.first ?? "", arguments.dropFirst().first.flatMap { Int($0) }, communicator)
  try communicator.barrier()
  if communicator.isRoot {
    print("\(arguments.joined(separator: " ")): held, worldSize \(communicator.worldSize)")
  }
  try communicator.finalize()
} catch {
  print("nndist: error: \(error) (rank \(communicator.rank) of \(communicator.worldSize))")
  fflush(nil)
  communicator.abort(status: Failure.Status.trainingFailed.rawValue)
}

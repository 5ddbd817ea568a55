import CMPI
import CSystem
import Glibc
import System
import Tensors

/// The ranks of this job (MPI_COMM_WORLD) and their communication.
///
/// A run of one process has one too, with worldSize 1. MPI is initialized with
/// MPI_THREAD_SERIALIZED: any thread may call these methods, but only one thread at a time.
public final class Communicator {
  /// The rank of this process, 0 ..< worldSize.
  public let rank: Int
  public let worldSize: Int
  /// The rank that prints, evaluates and saves.
  public let root = 0
  /// This host's name, from MPI_Get_processor_name.
  public let hostName: String
  /// The rank of this process among the `localSize` ranks of its host.
  public let localRank: Int
  public let localSize: Int

  let handle: MPI_Comm
  /// The communicator of this host's ranks.
  let hostHandle: MPI_Comm
  /// In order of creation, the same on every rank.
  var windows: [SharedWindow.Record] = []
  /// Whether this host's ranks may use at least one core each.
  let ranksHaveOwnCores: Bool

  /// The current training step, named in errors about ranks that are out of step; 0 before the
  /// first.
  package var step = 0 {
    didSet { Heartbeat.show(ND_HEARTBEAT_STEP, UInt64(step)) }
  }
  /// Collectives entered so far.
  var sequence: UInt64 = 0
  /// The program's exit status if nothing fails; 75 after a run that was stopped on request.
  public var exitStatus: Int32 = 0
  /// Whether `finalize` has ended MPI.
  private(set) var isFinalized = false
  /// nil until `openBoard`, or if the ranks share no memory.
  private(set) var board: Board?
  private var boardRecord: SharedWindow.Record?
  private var watchdog: Watchdog?
  /// nil after `openBoard`, which shows that all ranks can be reached.
  private var startDeadline: StartDeadline?

  public var isRoot: Bool { rank == root }

  /// Initializes MPI and returns its world.
  ///
  /// Collective: every rank calls it once, first. A failure of MPI_Init itself ends the process.
  /// - Parameter startTimeout: ends the process with 75 if `openBoard` is not done after this many
  ///   seconds; nil: never.
  /// - Throws: MPIError; Failure if MPI lacks the thread level.
  package static func world(startTimeout: Double? = nil) throws -> Communicator {
    var initialized: Int32 = 0
    try check(MPI_Initialized(&initialized), "MPI_Initialized")
    guard initialized == 0 else { fatalError("Communicator.world() was called a second time") }
    let wanted = Int32(MPI_THREAD_SERIALIZED)
    var provided: Int32 = 0
    // hwloc would search for displays and OpenCL devices, and load a dozen libraries for it that
    // are not needed here.
    setenv("HWLOC_PLUGINS_BLACKLIST", "hwloc_gl.so,hwloc_opencl.so,hwloc_xml_libxml.so", 0)
    let deadline = startTimeout.map(StartDeadline.init)
    try check(MPI_Init_thread(nil, nil, wanted, &provided), "MPI_Init_thread")
    try check(
      MPI_Comm_set_errhandler(cmpi_comm_world(), cmpi_errors_return()), "MPI_Comm_set_errhandler")
    guard provided >= wanted else {
      throw Failure(
        .trainingFailed,
        "this MPI library offers thread level \(provided), not MPI_THREAD_SERIALIZED",
        remedy: "use an MPI library built with thread support")
    }
    return try Communicator(cmpi_comm_world(), startDeadline: deadline)
  }

  private init(_ handle: MPI_Comm, startDeadline: StartDeadline?) throws {
    self.handle = handle
    self.startDeadline = startDeadline
    (rank, worldSize) = try Communicator.place(in: handle)

    let capacity = Int(MPI_MAX_PROCESSOR_NAME) + 1
    hostName = try withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { name in
      name.initialize(repeating: 0)
      var length: Int32 = 0
      try check(MPI_Get_processor_name(name.baseAddress, &length), "MPI_Get_processor_name")
      return String(cString: name.baseAddress!)
    }

    var host: MPI_Comm? = nil
    try check(
      MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), 0, cmpi_info_null(), &host),
      "MPI_Comm_split_type")
    hostHandle = host!
    (localRank, localSize) = try Communicator.place(in: hostHandle)
    try check(
      MPI_Comm_set_errhandler(hostHandle, cmpi_errors_return()), "MPI_Comm_set_errhandler")
    ranksHaveOwnCores = try Communicator.ranksHaveOwnCores(of: hostHandle, size: localSize)
  }

  /// Creates the `Board`, a few KiB of shared memory in which the ranks of a host publish their
  /// next collective and their heartbeat, and starts the watchdog. Without shared memory the ranks
  /// compare collectives by messages, and each watches only itself.
  ///
  /// Collective: every rank, once; all of the same build.
  /// - Throws: MPIError.
  package func openBoard() throws {
    let byteCount = Board.recordByteCount
    if worldSize > 1, try SharedWindow.fits(byteCount, self) {
      let window = try SharedWindow(byteCount: byteCount, communicator: self)
      // This window is freed last; all others are freed in order of creation.
      boardRecord = windows.removeLast()
      board = Board(window, own: localRank)
    }
    let own = nd_move_heartbeat(board?.heartbeat(localRank))!
    Heartbeat.show(ND_HEARTBEAT_RANK, UInt64(rank))
    Heartbeat.show(ND_HEARTBEAT_PROCESS, UInt64(getpid()))
    watchdog = Watchdog(
      heartbeats: board.map { board in (0..<localSize).map { board.heartbeat($0) } } ?? [own],
      own: board == nil ? 0 : localRank, board: board, hostName: hostName,
      worldSize: worldSize)
    nd_share_reported(board?.heartbeat(0))
    if board != nil { watchdog?.start() }
    startDeadline?.end()
    startDeadline = nil
  }

  /// Makes the watchdog end the job with 75, and name the rank that blocks the others, if no rank
  /// makes progress for `stallTimeout`. Before this call, a rank is named only if it dies. Call it
  /// after the first collective that follows `openBoard`.
  /// - Parameter stallTimeout: seconds; 0: never.
  package func watch(stallTimeout: Double) {
    Heartbeat.show(ND_HEARTBEAT_LIMIT, UInt64((stallTimeout * 1000).rounded(.up)))
    watchdog?.noteProcessesAlive()
    if stallTimeout > 0 { watchdog?.start() }
  }

  private static func place(in handle: MPI_Comm) throws -> (rank: Int, size: Int) {
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
    try check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
    return (Int(rank), Int(size))
  }

  /// Ends MPI. After it, no method of this class may be called, and the memory of shared windows
  /// must not be used.
  ///
  /// Collective: every rank, as its last call. mpirun reports a rank that exits 0 without it as a
  /// crash.
  package func finalize() throws {
    try enter(.finalize, at: "the program's end")
    endWatch()
    board = nil
    if let boardRecord { windows.append(boardRecord) }
    try freeWindows(windows.count)
    var host: MPI_Comm? = hostHandle
    try check(MPI_Comm_free(&host), "MPI_Comm_free")
    try check(MPI_Finalize(), "MPI_Finalize")
    isFinalized = true
  }

  /// Keeps the watchdogs of this host from reporting errors. Call it before this rank reports why
  /// it ends the job: the ends of the other ranks only follow from that.
  package func silenceWatch() { _ = watchdog?.claimReport() }

  /// Stops the watchdog. After that, no other rank reports the end of this process as a death.
  package func endWatch() {
    watchdog?.stop()
    watchdog = nil
    nd_share_reported(nil)
    nd_move_heartbeat(nil)
  }

  /// Ends the whole job at once; mpirun's exit status is `status`.
  /// - Precondition: 1 <= status <= 127. Open MPI's mpirun reports MPI_Abort(0) as success and cuts
  ///   larger numbers to 8 bits; above 127 a status reads as a signal.
  package func abort(status: Int32) -> Never {
    guard (1...127).contains(status) else {
      fatalError("Communicator.abort: status \(status) is not in 1 ... 127")
    }
    endWatch()
    MPI_Abort(handle, status)
    _exit(status)
  }
}

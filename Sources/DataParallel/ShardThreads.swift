import Glibc
import TensorCore

/// A rank's threads, each working on shards (or blocks) of its own.
///
/// The bits cannot depend on how many there are: a piece of work is never split, and pieces share
/// nothing they write.
public final class ShardThreads: @unchecked Sendable {
  public let count: Int
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let workReady = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let workDone = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  // All below is guarded by the mutex.
  private var work: ((Int) -> Void)?
  private var generation = 0
  private var running = 0
  private var pieceCount = 0
  private var isEnding = false
  private var threads: [pthread_t] = []

  /// - Parameter count: threads, the caller's among them; at least 1.
  public init(count: Int) {
    require(count >= 1, "a rank has at least one thread")
    self.count = count
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(workReady, nil)
    pthread_cond_init(workDone, nil)
    for index in 1..<max(count, 1) { start(index) }
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(workReady)
    pthread_cond_destroy(workDone)
    mutex.deallocate()
    workReady.deallocate()
    workDone.deallocate()
  }

  /// Runs `body` for 0 ..< pieces, piece i on thread i mod count, and returns when all are done.
  public func run(pieces: Int, _ body: (Int) -> Void) {
    if count == 1 || pieces <= 1 {
      for piece in 0..<pieces { body(piece) }
      return
    }
    withoutActuallyEscaping(body) { body in
      pthread_mutex_lock(mutex)
      require(!isEnding, "work for threads that were ended")
      work = body
      pieceCount = pieces
      running = count - 1
      generation += 1
      pthread_cond_broadcast(workReady)
      pthread_mutex_unlock(mutex)
      for piece in stride(from: 0, to: pieces, by: count) { body(piece) }
      pthread_mutex_lock(mutex)
      while running > 0 { pthread_cond_wait(workDone, mutex) }
      work = nil
      pthread_mutex_unlock(mutex)
    }
  }

  /// Ends the threads. Not to be used afterwards.
  public func end() {
    pthread_mutex_lock(mutex)
    isEnding = true
    pthread_cond_broadcast(workReady)
    pthread_mutex_unlock(mutex)
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  private final class Start {
    let owner: ShardThreads
    let index: Int
    init(_ owner: ShardThreads, _ index: Int) {
      self.owner = owner
      self.index = index
    }
  }

  private func start(_ index: Int) {
    let start = Unmanaged.passRetained(Start(self, index)).toOpaque()
    let thread = startThread("thread \(index)", start) { argument in
      let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
      start.owner.serve(start.index)
      return nil
    }
    threads.append(thread)
  }

  private func serve(_ index: Int) {
    var served = 0
    pthread_mutex_lock(mutex)
    while true {
      while generation == served && !isEnding { pthread_cond_wait(workReady, mutex) }
      if isEnding { break }
      served = generation
      let (body, pieces) = (work!, pieceCount)
      pthread_mutex_unlock(mutex)
      for piece in stride(from: index, to: pieces, by: count) { body(piece) }
      pthread_mutex_lock(mutex)
      running -= 1
      if running == 0 { pthread_cond_signal(workDone) }
    }
    pthread_mutex_unlock(mutex)
  }
}

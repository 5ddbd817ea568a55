import CSystem
import Glibc

/// The cores of this host.
package enum Cores {
  /// Cores the host has online.
  package static var online: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

  /// The cores this process may use.
  package static var usable: [Int] {
    var cores = [Int32](repeating: 0, count: 1024)
    let count = Int(nd_usable_cores(&cores, Int32(cores.count)))
    return count > 0 ? cores[..<count].map(Int.init) : Array(0..<online)
  }

  /// Threads for each of `localSize` ranks on this host: all the cores a rank is bound to, or, where
  /// none is bound, its share of all.
  package static func threads(localSize: Int) -> Int {
    let usable = usable.count
    return max(usable < online ? usable : usable / localSize, 1)
  }
}

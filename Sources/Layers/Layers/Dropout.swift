import Autograd
import System
import Tensors

/// In training mode every element is 0 with probability `rate`, the others grow by 1 / (1 - rate); in
/// evaluation mode the input itself.
/// - Input and output [N, ...], a row a sample.
///
/// Which elements fall is counted by (seed, step, sample, layer), so a trainer names step and samples
/// with `setDropoutKey` before a forward pass. Without it the layer counts its own calls as steps and
/// rows as samples; `initialize(seed:)` of the network then tells its dropouts apart.
public final class Dropout: Module {
  public let rate: Double
  public private(set) var isTraining = true
  private var name = ""
  private var seed: UInt64
  private var key: DropoutKey?
  private var callCount = 0

  /// - Precondition: 0 <= rate <= 1.
  public init(_ rate: Double = 0.5, seed: UInt64 = 0) {
    require(rate >= 0 && rate <= 1, "Dropout: the rate must be in 0 ... 1, not \(rate)")
    self.rate = rate
    self.seed = seed
  }

  public func setMode(isTraining: Bool) { self.isTraining = isTraining }

  func setName(_ name: String, seed: UInt64) {
    self.name = name
    self.seed = seed
    callCount = 0
  }

  func setKey(_ key: DropoutKey, name: String) {
    self.key = key
    self.name = name
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    guard isTraining else { return x }
    callCount += 1
    let rows = x.shape.extent(of: 0, op: "Dropout")
    let own = DropoutKey(seed: seed, step: callCount, samples: Array(0..<rows))
    return dropout(x, rate: rate, key: key ?? own, layer: name)
  }

  public var extraDescription: String { "p=\(pythonNumber(rate)), inplace=False" }
}

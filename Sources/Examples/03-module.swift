import NNDist

/// A module of one's own: a residual block, y = x + relu(W x + b).
final class ResidualBlock: Module {
  let linear: Linear

  init(width: Int) { linear = Linear(width, width) }

  func visit(_ v: inout Visitor) { v("linear", linear) }

  func callAsFunction(_ x: Tensor) -> Tensor { x + linear(x).relu() }
}

/// A network of such blocks.
final class BlockNet: Module {
  let first: Linear
  let blocks: [ResidualBlock]
  let last: Linear

  init(inputs: Int, width: Int, blocks count: Int, outputs: Int) {
    first = Linear(inputs, width)
    blocks = (0..<count).map { _ in ResidualBlock(width: width) }
    last = Linear(width, outputs)
  }

  func visit(_ v: inout Visitor) {
    v("first", first)
    for (index, block) in blocks.enumerated() { v("blocks.\(index)", block) }
    v("last", last)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    last(blocks.reduce(first(x)) { $1($0) })
  }
}

func module() {
  let net = BlockNet(inputs: 2, width: 8, blocks: 2, outputs: 3)
  net.initialize(seed: 0)
  print(net.summary)
  print("\(net.parameterCount) parameters: \(net.namedParameters.map(\.name))")
}

import Autograd
import System
import Tensors

/// Maps a series of symbols to another one of the same length (Sutskever, Vinyals and Le, 2014).
/// The state of the encoder after the source is the initial state of the decoder. At each step the
/// decoder gets the previous symbol.
///
/// Symbols are one-hot vectors of `symbols` + 1 elements. The last symbol, number `symbols`, is the
/// start token, which the decoder gets first and never outputs. A recorder records the last hidden
/// state, [N, H], as the output of "encoder".
/// - Input [N, 2, T, symbols + 1]: at index 0 the source, at index 1 the input of the decoder,
///   which is the target one step later. Output: scores [N, symbols, T], as CrossEntropyLoss takes
///   them for targets [N, T].
public final class Seq2Seq: SequenceGenerator {
  public let symbols: Int
  private let encoder, decoder: any RecurrentLayer
  private let head: Linear

  /// - Precondition: at least one symbol.
  public init(cell: RecurrentCell, symbols: Int, hiddenSize: Int) {
    require(symbols > 0, "Seq2Seq: \(symbols) symbols")
    self.symbols = symbols
    encoder = cell.layer(symbols + 1, hiddenSize)
    decoder = cell.layer(symbols + 1, hiddenSize)
    head = Linear(hiddenSize, symbols)
  }

  public func visit(_ v: inout Visitor) {
    v("encoder", encoder)
    v("decoder", decoder)
    v("head", head)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    require(
      x.axisCount == 4 && x.shape[1] == 2 && x.shape[2] > 0 && x.shape[3] == symbols + 1,
      "Seq2Seq: input \(x.shape) must be [N, 2, T, \(symbols + 1)] with T > 0")
    return scores(x[Every(), 1], from: encoded(x[Every(), 0])).output.transposed(1, 2)
  }

  /// Generates the targets for the sources. The symbol with the highest score at each step is the
  /// next input of the decoder. Records no graph.
  /// - source: [N, T, symbols + 1].  Returns N series of T symbols.
  public func generate(source: Tensor) -> [[Int]] {
    require(
      source.axisCount == 3 && source.shape[1] > 0 && source.shape[2] == symbols + 1,
      "Seq2Seq: a source of shape \(source.shape) must be [N, T, \(symbols + 1)] with T > 0")
    let (rows, steps) = (source.shape[0], source.shape[1])
    var series = [[Int]](repeating: [], count: rows)
    noGrad {
      var state = encoded(source)
      var last = Tensor([Int64](repeating: Int64(symbols), count: rows))  // [N]
      for _ in 0..<steps {
        let next = last.oneHot(symbols + 1).to(source.dtype).unsqueezed(1)
        let run = scores(next, from: state)
        state = run.state
        last = run.output.squeezed(axes: [1]).argmax(axis: 1)
        for (row, symbol) in last.values(Int64.self).enumerated() {
          series[row].append(Int(symbol))
        }
      }
    }
    return series
  }

  /// The state of the encoder after the source.
  private func encoded(_ source: Tensor) -> RecurrentState {
    let state = encoder.run(source).state
    _ = encoder.noted(state.lastHidden)
    return state
  }

  /// Scores [N, T, symbols] for the decoder's inputs [N, T, symbols + 1].
  private func scores(_ x: Tensor, from state: RecurrentState) -> RecurrentRun {
    var run = decoder.run(x, from: state)
    run.output = head.call(decoder.noted(run.output))
    return run
  }
}

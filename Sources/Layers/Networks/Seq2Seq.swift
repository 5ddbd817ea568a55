import Autograd
import System
import Tensors

/// One series of symbols into another of the same length (Sutskever, Vinyals and Le, 2014): the state in
/// which an encoder leaves the source is the decoder's first, and the decoder gets at each step the
/// symbol before.
///
/// Symbols are one-hot among `symbols` + 1: the last, number `symbols`, is the start token, which the
/// decoder gets first and never puts out. What a recorder finds under "encoder" is the last hidden
/// state, [N, H].
/// - Input [N, 2, T, symbols + 1]: at 0 the source, at 1 what the decoder gets, the target one step
///   late. Output: scores [N, symbols, T], as CrossEntropyLoss takes them for targets [N, T].
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

  /// The likeliest symbol at each step, which is the decoder's next input: what the network makes of
  /// the sources alone. Records no graph.
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

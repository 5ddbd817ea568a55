import Autograd
import System
import Tensors

/// A network over series that can go on by itself, with its own outputs as inputs.
public protocol Forecaster: Module {
  /// What comes after a series: the output of its last step, the output where that is the input, and
  /// so on. Records no graph.
  /// - warmUp: [N, T, I] with T > 0.  Returns [N, steps, I].
  /// - Throws: `Failure(.usage)` where the network cannot run on its outputs.
  func forecast(warmUp: Tensor, steps: Int) throws -> Tensor
}

extension Forecaster {
  /// The forecast of a network with `inputs` and `outputs` a step.
  /// - run: the outputs [N, T, O] for inputs [N, T, I] from a state.
  /// - Throws: `Failure(.usage)` unless I is O.
  func freeRunning(
    warmUp: Tensor, steps: Int, inputs: Int, outputs: Int,
    _ run: (Tensor, RecurrentState?) -> RecurrentRun
  ) throws -> Tensor {
    guard inputs == outputs else {
      throw Failure(
        .usage,
        "a network with \(inputs) inputs and \(outputs) outputs a step cannot run on its own outputs",
        remedy: "forecast with a network that has as many outputs as inputs")
    }
    require(steps >= 0, "forecast: \(steps) steps")
    require(
      warmUp.axisCount == 3 && warmUp.shape[1] > 0,
      "forecast: a warm-up of shape \(warmUp.shape) must be [N, T, \(inputs)] with T > 0")
    if steps == 0 { return Tensor(zeros: [warmUp.shape[0], 0, outputs], warmUp.dtype) }
    return noGrad {
      var last = run(warmUp, nil)
      var forecast = [last.output.narrow(axis: 1, start: last.output.shape[1] - 1, count: 1)]
      while forecast.count < steps {
        last = run(forecast.last!, last.state)
        forecast.append(last.output)
      }
      return Tensor.cat(forecast, axis: 1)
    }
  }
}

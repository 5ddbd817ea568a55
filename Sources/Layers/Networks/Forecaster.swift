import Autograd
import System
import Tensors

/// A network for series that can continue a series, with its own outputs as inputs.
public protocol Forecaster: Module {
  /// The continuation of a series: the output of its last step, then the output for that output as
  /// input, and so on. Records no graph.
  /// - warmUp: [N, T, I] with T > 0.  Returns [N, steps, I].
  /// - Throws: `Failure(.usage)` if the network cannot take its own outputs as inputs.
  func forecast(warmUp: Tensor, steps: Int) throws -> Tensor
}

extension Forecaster {
  /// The forecast of a network with I `inputs` and O `outputs` at each step.
  /// - run: computes the outputs [N, T, O] for inputs [N, T, I], starting from a state; nil: zeros.
  /// - Throws: `Failure(.usage)` if I is not O.
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

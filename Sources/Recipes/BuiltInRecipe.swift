import System

/// A recipe that comes with nndist.
package struct BuiltInRecipe: Sendable {
  package let name: String
  /// The network in a few words, such as "784-512-512-10 ReLU": the sizes of the layers, and the
  /// activations between them.
  package let model: String
  /// The training time on one core; nil: not measured.
  package let seconds: Double?
  /// The text of BuiltIn/NAME.yaml, without the line feed at its end.
  package let yaml: String

  /// - Parameter file: the bytes of BuiltIn/NAME.yaml, which SwiftPM compiles into the program: no
  ///   file is needed at run time.
  private init(_ name: String, _ model: String, seconds: Double? = nil, _ file: [UInt8]) {
    self.name = name
    self.model = model
    self.seconds = seconds
    let text = file.last == UInt8(ascii: "\n") ? file.dropLast() : file[...]
    yaml = String(decoding: text, as: UTF8.self)
  }

  package static func named(_ name: String) -> BuiltInRecipe? { all.first { $0.name == name } }

  package var text: RecipeText {
    get throws { try RecipeText(yaml, source: "recipe \(name)") }
  }

  /// The text of the built-in recipe or the YAML file that `argument` names.
  /// - Throws: `Failure(.usage)` for a name that is neither, with the nearest one;
  ///   `Failure(.inputMissing)` for a file that cannot be read.
  package static func text(
    named argument: String, read: (String) throws -> String
  ) throws -> RecipeText {
    if let recipe = named(argument) { return try recipe.text }
    if argument.hasSuffix(".yaml") || argument.hasSuffix(".yml") || argument.contains("/") {
      return try RecipeText(try read(argument), source: argument)
    }
    throw Failure(
      .usage, "there is no recipe \(argument)",
      remedy: Spelling.hint(for: argument, among: all.map(\.name))
        + " (`nndist recipes` lists them; a file's name ends in .yaml)")
  }
}

// MARK: - The list

extension BuiltInRecipe {
  /// All built-in recipes. The first is the default; those of the notebooks are in the notebooks'
  /// order. System numbers are those of the README.
  package static let all = [
    // What `nndist` trains when no recipe is named.
    BuiltInRecipe(
      "fashion-mnist", "784-512-512-10 ReLU", seconds: 19, PackageResources.fashion_mnist_yaml),
    // The notebooks' first network, which they build and never train (system S01).
    BuiltInRecipe(
      "threeblue-linear", "784-10", seconds: 0.8, PackageResources.threeblue_linear_yaml),
    // All of MNIST as one batch; the network itself divides the pixels by 255 (system S02).
    BuiltInRecipe(
      "threeblue", "784-16-16-10 Sigmoid", seconds: 22, PackageResources.threeblue_yaml),
    // The same at a learning rate at which it gets stuck (system S03).
    BuiltInRecipe(
      "threeblue-lr500", "784-16-16-10 Sigmoid", seconds: 2.3,
      PackageResources.threeblue_lr500_yaml),
    // The network and settings of PyTorch's quickstart (system S04).
    BuiltInRecipe("mnist-mlp", "784-512-512-10 ReLU", seconds: 14, PackageResources.mnist_mlp_yaml),
    // One step; inputs and targets are noise (system S05).
    BuiltInRecipe("perceptron", "48-10 Sigmoid", seconds: 0.1, PackageResources.perceptron_yaml),
    // Forty points, and ten points around other centers as the test split (system S06).
    BuiltInRecipe(
      "blobs-feedforward", "2-10-1 ReLU, Sigmoid", seconds: 0.1,
      PackageResources.blobs_feedforward_yaml),
    // Descent on x^2 from x = 1 (system S07): x^2 is the squared error of x against 0.
    BuiltInRecipe("parabola-descent", "x", seconds: 0.1, PackageResources.parabola_descent_yaml),
    // w x^2 + b; the first step adds the gradient of an earlier backward pass (system S08).
    BuiltInRecipe("parabola-fit", "w x^2 + b", seconds: 0.1, PackageResources.parabola_fit_yaml),
    // One step from the weights that the notebook prints (system S09).
    BuiltInRecipe("line-sgd", "1-1", seconds: 0.1, PackageResources.line_sgd_yaml),
    // The same line with Adam (system S10).
    BuiltInRecipe("line-adam", "1-1", seconds: 0.1, PackageResources.line_adam_yaml),
    // Logistic regression on two clusters of points (system S11).
    BuiltInRecipe(
      "blobs-logistic", "2-1 Sigmoid", seconds: 0.1, PackageResources.blobs_logistic_yaml),
    // Logistic regression on Fashion-MNIST (system S12).
    BuiltInRecipe("fashion-linear", "784-10", seconds: 2.2, PackageResources.fashion_linear_yaml),
    // A disc inside a ring; two hidden nodes, few epochs (system S14).
    BuiltInRecipe(
      "rings-2-brief", "2-2-1 Sigmoid", seconds: 0.1, PackageResources.rings_2_brief_yaml),
    // One hidden node: one line cannot separate the disc from the ring (system S15).
    BuiltInRecipe("rings-1", "2-1-1 Sigmoid", seconds: 6.2, PackageResources.rings_1_yaml),
    // Two hidden nodes (system S16).
    BuiltInRecipe("rings-2", "2-2-1 Sigmoid", seconds: 6.8, PackageResources.rings_2_yaml),
    // Three hidden nodes, whose lines form a triangle around the disc (system S17).
    BuiltInRecipe("rings-3", "2-3-1 Sigmoid", seconds: 6.5, PackageResources.rings_3_yaml),
    // Five ReLU nodes (system S18).
    BuiltInRecipe(
      "rings-relu5", "2-5-1 ReLU, Sigmoid", seconds: 4.8, PackageResources.rings_relu5_yaml),
    // A damped wave, fitted by ten sigmoids (system S19; S20 with binary_threshold).
    BuiltInRecipe("wave", "1-10-1 Sigmoid", seconds: 1.3, PackageResources.wave_yaml),
    // The wave in reverse order (system S21; S22 with binary_threshold).
    BuiltInRecipe(
      "wave-flipped", "1-10-1 Sigmoid", seconds: 0.9, PackageResources.wave_flipped_yaml),
    // A tenth of MNIST, drawn with replacement (system S25; S24 is its scores, S23 has a
    // Softmax).
    BuiltInRecipe(
      "mnist-feedforward", "784-100-10 ReLU", seconds: 1.8,
      PackageResources.mnist_feedforward_yaml),
    // The notebooks' convolutional network (system S27).
    BuiltInRecipe(
      "mnist-conv", "3 convolutions, 128-10", seconds: 29, PackageResources.mnist_conv_yaml),
    // An autoencoder of digits with a code of 50 numbers (systems S28 to S30).
    BuiltInRecipe(
      "mnist-autoencoder", "784-50-784 ReLU, Sigmoid", seconds: 3.5,
      PackageResources.mnist_autoencoder_yaml),
    // One step of the handwritten RNN on a line (systems S31 to S33). The seed is one from which
    // the loss is finite. From seeds 0 and 1 the states grow beyond float32 in 699 steps of ReLU,
    // as those of PyTorch do from 2 of 5 seeds.
    BuiltInRecipe(
      "trend-rnn-relu", "RNN 1-32-1 ReLU", seconds: 0.1, PackageResources.trend_rnn_relu_yaml),
    // The handwritten RNN, trained along the whole series (system S34).
    BuiltInRecipe("trend-rnn", "RNN 1-4-1 Tanh", seconds: 150, PackageResources.trend_rnn_yaml),
    // The autoencoder that the notebooks suggest: convolutions down to 7 x 7 and back.
    BuiltInRecipe(
      "mnist-conv-autoencoder", "convolutions to 32x7x7", seconds: 30,
      PackageResources.mnist_conv_autoencoder_yaml),
    // Reconstructs clean digits from noisy ones (Vincent et al., 2008).
    BuiltInRecipe(
      "mnist-denoising-autoencoder", "784-100-784 ReLU, Sigmoid", seconds: 45,
      PackageResources.mnist_denoising_autoencoder_yaml),
    // The notebooks' series with an LSTM, standardized.
    BuiltInRecipe("trend-lstm", "LSTM 1-16-1", seconds: 52, PackageResources.trend_lstm_yaml),
    // The same with a GRU.
    BuiltInRecipe("trend-gru", "GRU 1-16-1", seconds: 49, PackageResources.trend_gru_yaml),
    // A quadratic trend with noise at each point, which the notebooks suggest.
    BuiltInRecipe("quadratic-rnn", "RNN 1-16-1", seconds: 12, PackageResources.quadratic_rnn_yaml),
    // Encodes the rows of a digit into one hidden state, and decodes them again.
    BuiltInRecipe(
      "digits-rnn-autoencoder", "GRU 28-64-28", seconds: 41,
      PackageResources.digits_rnn_autoencoder_yaml),
    // Reverses sequences of digits (Sutskever, Vinyals and Le, 2014).
    BuiltInRecipe(
      "reverse-seq2seq", "GRU 11-64-10, twice", seconds: 8.0,
      PackageResources.reverse_seq2seq_yaml),
    // Three small convolutions with batch norm; digits are shifted and rotated.
    BuiltInRecipe(
      "mnist-conv-best", "3 convolutions, batch norm", seconds: 135,
      PackageResources.mnist_conv_best_yaml),
    // Three convolutions with batch norm; images are flipped and shifted.
    BuiltInRecipe(
      "fashion-conv", "3 convolutions, batch norm", seconds: 562,
      PackageResources.fashion_conv_yaml),
  ]
}

import Testing

/// The systems of the notebooks (../shared/systems.md) that are trained by a recipe, in their order:
/// what a notebook prints, where nndist has the same figure, and how the two are compared. Figures
/// that no seed fixes are compared with PyTorch's five seeds, not with the notebook's single run.
///
/// Steps and epochs are counted as in Golden/systems.py.
extension SystemTraining {
  static let all =
    [threeBlueLinear, threeBlue, threeBlueHighRate, mnistMLP, perceptron, blobsBefore, blobs]
    + [parabolaDescent, parabolaFit, lineSGD, lineAdam, blobsLogistic, fashionLinear] + rings
    + [wave, waveFlipped, digitsProbabilities, digitsScores, digits, digitsByConvolution]
    + [autoencoder, trendByReLU, trend]

  static func needing(_ data: DataNeed) -> [SystemTraining] { all.filter { $0.data == data } }

  static let threeBlueLinear = SystemTraining(
    recipe: "threeblue-linear", data: .mnist, longSeeds: 1,
    arguments: { _ in ["--max-steps", "0"] },
    lines: [.parameterShapes("S01", "", ["10x784", "10"])])

  static let threeBlue = SystemTraining(
    recipe: "threeblue", data: .mnist, briefEpochs: 11,
    lines: [
      .parameterShapes(
        "S02", "12544 16 256 16 160 10", ["16x784", "16", "16x16", "16", "10x16", "10"]),
      .mean("S02", "loss after 0 steps", "0.2792", .loss(after: 0)),
      .mean("S02", "loss after 10 steps", "0.2551", .loss(after: 10)),
      .mean("S02", "loss after 110 steps", "", epochs: 111, .loss(after: 110)),
    ])

  static let threeBlueHighRate = SystemTraining(
    recipe: "threeblue-lr500", data: .mnist, briefSeeds: 2,
    lines: [
      .mean("S03", "loss after 0 steps", "0.2877", .loss(after: 0)),
      .exact("S03", "losses after 1 to 9 steps", "0.1000 nine times") { runs in
        // Every output is 0, so of the ten of each sample one is off by 1; to float32's rounding.
        let losses = try runs.runs.flatMap { try $0.steps.dropFirst().map(\.loss) }
        return (
          "\(losses.min()!) to \(losses.max()!), \(runs.runs.count) seeds",
          losses.count == 9 * runs.runs.count && losses.allSatisfy { abs($0 - 0.1) < 1e-7 }
        )
      },
    ])

  static let mnistMLP = SystemTraining(
    recipe: "mnist-mlp", data: .mnist, briefSeeds: 2, briefEpochs: 1, evaluatesEachEpoch: true,
    lines: zip(
      [1, 2, 3, 5], [("0.363", "2.265666"), ("0.548", "2.209960"), ("0.628", "2.116520"), ("", "")]
    )
    .flatMap { epoch, printed -> [SystemLine] in
      [
        .mean(
          "S04", "test accuracy after epoch \(epoch)", printed.0, epochs: epoch,
          .evaluated(after: epoch) { $0.accuracy }),
        .mean(
          "S04", "test loss, mean of batch means, after epoch \(epoch)", printed.1, epochs: epoch,
          .evaluated(after: epoch) { $0.lossBatchMean }),
      ]
    })

  /// Input, target and weights are all noise. Gradients and functions: NotebookTests
  /// (perceptronsGradientFunctions).
  static let perceptron = SystemTraining(
    recipe: "perceptron", arguments: dataSeed,
    lines: [
      .parameterShapes("S05", "[10, 48] and [10]", ["10x48", "10"]),
      .mean("S05", "loss after 0 steps", "1.0273", .loss(after: 0)),
    ])

  @Sendable private static func dataSeed(_ seed: Int) -> [String] {
    ["--set", "data.seed=\(seed)"]
  }

  static let blobsBefore = SystemTraining(
    recipe: "blobs-feedforward", arguments: { dataSeed($0) + ["--max-steps", "0"] },
    lines: [.mean("S06", "test loss after 0 epochs", "0.7158", .loss(split: "test"))])

  static let blobs = SystemTraining(
    recipe: "blobs-feedforward", arguments: dataSeed,
    lines: [
      .mean("S06", "train loss in epoch 0", "0.4508", .loss(after: 0)),
      .mean("S06", "train loss in epoch 10", "0.3714", .loss(after: 10)),
      .mean("S06", "train loss in epoch 20", "0.3288", .loss(after: 20)),
      .mean("S06", "train loss in epoch 49", "", .loss(after: 49)),
      .mean("S06", "test loss after 50 epochs", "0.7768", .finalLoss),
    ])

  static let parabolaDescent = SystemTraining(
    recipe: "parabola-descent", longSeeds: 1,
    lines: [
      // The loss is x^2.
      .printed("S07", "x after 1 step", "0.8", .loss(after: 1).squareRoot),
      .printed("S07", "x after 2 steps", "0.64", .loss(after: 2).squareRoot),
      // 0.8^10; six of its digits are float32's.
      .printed("S07", "x after 10 steps", "0.107374", .finalLoss.squareRoot),
    ])

  static let parabolaFit = SystemTraining(
    recipe: "parabola-fit", longSeeds: 1,
    lines: [
      .printed("S08", "w after 20 steps", "0.9263", .parameter("w")),
      .printed("S08", "b after 20 steps", "0.1602", .parameter("b")),
    ])

  /// The weights are printed to four digits, and the loss has more than those decide. So the seeds
  /// after the first stand for the corners of what is rounded to the printed weights.
  static let lineSGD = SystemTraining(
    recipe: "line-sgd",
    arguments: { run in
      guard run > 0 else { return [] }
      let (weight, bias) = [
        (-0.28805, -0.11455), (-0.28805, -0.11445), (-0.28795, -0.11455), (-0.28795, -0.11445),
      ][run - 1]
      return ["--set", "model.initial={weight: \(weight), bias: \(bias)}"]
    },
    lines: [
      .between("S09", "loss after 0 steps", "5064.9062", .loss(after: 0)),
      .between("S09", "w after 1 step", "28.8443", .parameter("weight")),
      .between("S09", "b after 1 step", "1.2100", .parameter("bias")),
    ])

  static let lineAdam = SystemTraining(
    recipe: "line-adam",
    lines: [
      .mean("S10", "w after 100 steps", "", .parameter("weight")),
      .mean("S10", "b after 100 steps", "", .parameter("bias")),
      .mean("S10", "loss after 100 steps", "", .finalLoss),
    ])

  static let blobsLogistic = SystemTraining(
    recipe: "blobs-logistic",
    lines: [
      .mean("S11", "loss after 100 steps", "", .finalLoss),
      // One point: one lies on the border.
      .mean(
        "S11", "correct of 100 after 100 steps", "99", floor: 1,
        .evaluated { $0.accuracy.map { 100 * $0 } }),
      .exact("S11", "wrong, by the recipe's own seed", "62") { runs in
        let table = try runs.runs[0].ask("predict", ["--misclassified"]).split(separator: "\n")
        let wrong = table.dropFirst().map { $0.prefix { $0 != "," } }.joined(separator: " ")
        return (wrong, wrong == "62")
      },
    ])

  static let fashionLinear = SystemTraining(
    recipe: "fashion-linear", data: .fashion, briefEpochs: 2, evaluatesEachEpoch: true,
    lines: [1, 2, 5, 10].map { epoch in
      .mean(
        "S12", "test accuracy after epoch \(epoch)", epoch == 10 ? "0.8137" : "", epochs: epoch,
        .evaluated(after: epoch) { $0.accuracy })
    })

  private static func rings(
    _ system: String, _ recipe: String, seeds: Int = 5, _ loss: SystemLine,
    accuracyAfter epochs: Int? = nil
  ) -> SystemTraining {
    SystemTraining(
      recipe: recipe, briefSeeds: seeds,
      lines: [loss]
        + (epochs.map { epochs in
          // Two of the 2000 points.
          [.mean(system, "accuracy after \(epochs) epochs", "", floor: 0.001, .finalAccuracy)]
        } ?? []))
  }

  static let rings = [
    rings(
      "S14", "rings-2-brief", .mean("S14", "loss after 100 epochs", "", .finalLoss),
      accuracyAfter: 100),
    // One line: some seeds end with a line that parts nothing, some before they found any. PyTorch's
    // three that found the best one are 0.5 % apart.
    rings(
      "S15", "rings-1", .lowest("S15", "loss after 10000 epochs", "", within: 0.01, .finalLoss)),
    rings(
      "S16", "rings-2", seeds: 2, .mean("S16", "loss after 10000 epochs", "", .finalLoss),
      accuracyAfter: 10000),
    rings(
      "S17", "rings-3", seeds: 2, .logarithm("S17", "loss after 10000 epochs", "", .finalLoss),
      accuracyAfter: 10000),
    rings(
      "S18", "rings-relu5", seeds: 2, .logarithm("S18", "loss after 10000 epochs", "", .finalLoss),
      accuracyAfter: 10000),
  ]

  static let wave = SystemTraining(
    recipe: "wave",
    lines: [
      .logarithm("S19", "loss after 20000 epochs", "", .finalLoss),
      .logarithm("S20", "loss after 20000 epochs, hidden nodes 0 or 1", "", .binaryLoss),
    ])

  static let waveFlipped = SystemTraining(
    recipe: "wave-flipped",
    lines: [
      .logarithm("S21", "loss after 14000 epochs", "", .finalLoss),
      .logarithm("S22", "loss after 14000 epochs, hidden nodes 0 or 1", "", .binaryLoss),
    ])

  /// S24 with a Softmax behind it.
  static let digitsProbabilities = SystemTraining(
    recipe: "mnist-feedforward", data: .mnist, longSeeds: 1,
    arguments: { _ in
      [
        "--max-steps", "0", "--set", "data.scale=raw", "--set",
        """
        model.layers=[{layer: Flatten}, {layer: Linear, in_features: 784, out_features: 100},
        {layer: ReLU}, {layer: Linear, in_features: 100, out_features: 10}, {layer: Softmax, dim: 1}]
        """,
      ]
    },
    lines: [.probabilitySums, .digitCounts])

  static let digitsScores = SystemTraining(
    recipe: "mnist-feedforward", data: .mnist,
    arguments: { _ in ["--max-steps", "0", "--set", "data.scale=raw"] },
    lines: [
      .mean(
        "S24", "deviation of scores, raw pixels, after 0 steps", "-5.1777 -0.6201 25.9891",
        Reading { run in
          let scores = Sample(try run.predict("--split", "train")[..<12].flatMap { $0 })
          return (Sample(scores.values.map { $0 * $0 }).mean - scores.mean * scores.mean)
            .squareRoot()
        })
    ])

  private static func classifier(
    _ system: String, _ printed: [String], accuracies: [String]
  ) -> [SystemLine] {
    zip([0, 5, 10, 15, 19], printed + [""]).map { epoch, text in
      .mean(
        system, "train loss in epoch \(epoch)", text, epochs: epoch + 1, .trainLoss(epoch: epoch))
    } + [
      .mean(system, "train accuracy after epoch 20", accuracies[0], epochs: 20, .trainAccuracy),
      .mean(system, "test accuracy after epoch 20", accuracies[1], epochs: 20, .finalAccuracy),
    ]
  }

  static let digits = SystemTraining(
    recipe: "mnist-feedforward", data: .mnist, briefSeeds: 2,
    lines: classifier(
      "S25", ["0.4621", "0.0865", "0.0434", "0.0581"], accuracies: ["0.9930", "0.9440"]))

  static let digitsByConvolution = SystemTraining(
    recipe: "mnist-conv", data: .mnist, briefSeeds: 3, briefEpochs: 1,
    lines: classifier(
      "S27", ["0.8495", "0.2372", "0.1810", "0.1654"], accuracies: ["0.9653", "0.9240"]))

  static let autoencoder = SystemTraining(
    recipe: "mnist-autoencoder", data: .mnist, briefSeeds: 2,
    lines: [
      .mean("S28", "loss of the first batch after 0 steps", "0.2326", .loss(after: 0))
    ]
      + zip([0, 5, 10, 15, 19], ["0.0367", "0.0172", "0.0167", "0.0166", ""]).map { epoch, text in
        .mean("S28", "train loss in epoch \(epoch)", text, .trainLoss(epoch: epoch))
      } + [
        .codesOfRawPixels,
        .mean(
          "S29", "norm of codes, raw pixels, after epoch 20", "5129.0112",
          Reading { run in
            Sample(
              try run.codes().map { code in code.reduce(0) { $0 + $1 * $1 }.squareRoot() }
            ).mean
          }),
        .similarImages,
        .mean(
          "S30", "cosine next to image 18, of 1000, after epoch 20", "",
          Reading { try $0.similar()[1].cosine }),
      ])

  /// 699 steps of ReLU: the states grow by a factor a step, and from some seeds beyond float32.
  static let trendByReLU = SystemTraining(
    recipe: "trend-rnn-relu", statuses: [0, 70],
    lines: [
      .seriesLengths,
      .exact("S33", "one step with the recipe's own seed", "") { runs in
        // Seed 2, which is the recipe's: BuiltInRecipeTests would tell.
        let losses = try runs.runs[2].steps.map(\.loss)
        return ("loss \(losses)", losses.count == 1 && losses[0].isFinite)
      },
      .finiteOnes(
        "S33", "loss after 0 steps", Reading { try $0.steps.first?.loss ?? .nan }),
    ])

  static let trend = SystemTraining(
    recipe: "trend-rnn", briefEpochs: 1,
    lines: [
      .mean("S34", "loss after 0 epochs", "", .loss(after: 0)),
      // Four seeds of PyTorch's go into one valley, in which Adam at 0.1 jumps about: after the last
      // step they are 3 % apart, at their best 0.3 %. One of nndist's five reached 3 % less than the
      // least of theirs. Why was not shown, so the 5 % allowed for the best are that with room, and
      // no bound that follows from anything.
      .lowest(
        "S34", "loss after 10000 epochs", "", epochs: 10000, within: 0.03, .loss(split: "train")),
      .lowest(
        "S34", "best loss", "", epochs: 10000, within: 0.05,
        Reading { try #require(try $0.steps.map(\.loss).min()) }),
    ])
}

import Datasets

/// Data sets that are generated. Random numbers are those of NumPy.
extension DatasetKind {
  static let generators: [DatasetKind] = [
    DatasetKind(
      "rings", "Points of a disc, target 0, and of a ring around it, target 1.",
      [.count("count", 1000, "Pairs of one point of each."), seed(100)],
      shapes: { _ in SampleShapes(input: [2], target: [1]) },
      source: { arguments, _ in
        ArraySource.rings(pairCount: arguments.integer("count"), seed: seed(arguments))
      }),
    DatasetKind(
      "blobs", "scikit-learn's make_blobs: points around centers drawn at random.",
      [
        .count("count", "Training samples."),
        .count("features", 2, "Numbers of an input."),
        .count("centers", 3, "Centers; the nearest number's is the class."),
        Field(
          "center_box", .list(.anyNumber, count: 2), .list([.number(-10), .number(10)]),
          "Between which numbers the centers' coordinates are drawn."),
        .number("deviation", .nonNegative, 1, "The standard deviation around a center."), seed(0),
        .flag(
          "binary", false, "Targets are numbers: label 0 stays 0, all others become 1."),
        .optional(
          "test_count", .count,
          "Test samples, of a second draw with other centers; null: no test split."),
      ],
      mistake: { arguments in
        let box = arguments.numbers("center_box")
        return box[0] > box[1] ? ("center_box", "\(box[0]) is above \(box[1]); exchange them") : nil
      },
      shapes: { arguments in
        let features = arguments.integer("features")
        return arguments.flag("binary")
          ? SampleShapes(input: [features], target: [1])
          : SampleShapes(input: [features], target: [], classCount: arguments.integer("centers"))
      },
      hasTestSource: { $0.optionalInteger("test_count") != nil },
      source: { arguments, split in
        let box = arguments.numbers("center_box")
        return ArraySource.blobs(
          count: arguments.integer("count"),
          testCount: arguments.optionalInteger("test_count") ?? 0,
          featureCount: arguments.integer("features"), centerCount: arguments.integer("centers"),
          centerBox: (box[0], box[1]), deviation: arguments.number("deviation"),
          isBinary: arguments.flag("binary"), seed: seed(arguments), split: split)
      }),
    DatasetKind(
      "line", "y = slope x + intercept + noise, at whole x drawn at random.",
      [
        .count("count", 15, "Samples."), .number("slope", 3, "Of the line."),
        .number("intercept", 4, "Of the line."),
        Field("low", .anyInteger, .integer(1), "The least x."),
        Field("high", .anyInteger, .integer(30), "The largest x."),
        .number("deviation", .nonNegative, 3, "The standard deviation of the noise."), seed(11),
      ],
      mistake: { arguments in
        arguments.integer("low") > arguments.integer("high")
          ? ("high", "\(arguments.integer("high")) is below low, \(arguments.integer("low"))") : nil
      },
      shapes: { _ in oneToOne },
      source: { arguments, _ in
        ArraySource.line(
          count: arguments.integer("count"), slope: arguments.number("slope"),
          intercept: arguments.number("intercept"), low: arguments.integer("low"),
          high: arguments.integer("high"), deviation: arguments.number("deviation"),
          seed: seed(arguments))
      }),
    DatasetKind(
      "parabola", "y = x^2, at x evenly from low to high.",
      [
        .count("count", 100, "Samples."), .number("low", -2, "The first x."),
        .number("high", 2, "The last x."),
      ],
      shapes: { _ in oneToOne },
      source: { arguments, _ in
        ArraySource.parabola(
          count: arguments.integer("count"), low: arguments.number("low"),
          high: arguments.number("high"))
      }),
    DatasetKind(
      "wave", "y = sin(3 x) e^(-x / 8), at x from low up to high by steps.",
      [
        .number("low", -10, "The first x."), .number("high", 10, "The end, which x stays below."),
        .number("step", .positive, 0.1, "From one x to the next."),
        .flag("flipped", false, "Whether the y stand in reverse order."),
      ],
      mistake: { arguments in
        let (low, high) = (arguments.number("low"), arguments.number("high"))
        if low >= high { return ("high", "\(high) is not above low, \(low)") }
        return (high - low) / arguments.number("step") > Double(ValueType.maximumCount)
          ? ("step", "it gives more samples than memory holds") : nil
      },
      shapes: { _ in oneToOne },
      source: { arguments, _ in
        ArraySource.wave(
          low: arguments.number("low"), high: arguments.number("high"),
          step: arguments.number("step"), isFlipped: arguments.flag("flipped"))
      }),
    DatasetKind(
      "constant", "The same pair of numbers again and again.",
      [
        .number("input", 0, "Every input."), .number("value", 0, "Every target."),
        .count("count", 1, "Samples."),
      ],
      shapes: { _ in oneToOne },
      source: { arguments, _ in
        ArraySource.constant(
          input: Float(arguments.number("input")), value: Float(arguments.number("value")),
          count: arguments.integer("count"))
      }),
    DatasetKind(
      "trend",
      "A series intercept + slope t + curvature t^2 + noise and what it is lag points later, as one sample [time, 1].",
      [
        .count("length", 1000, "Points of the series."), .number("intercept", 4, "At t = 0."),
        .number("slope", 3, "A point."), .number("curvature", 0, "A squared point."),
        .number("deviation", .nonNegative, 0.1, "The standard deviation of the noise."),
        .choice(
          "noise", ["series", "point"], "series",
          "One number for the whole series, as the notebook's, or one for each point."),
        seed(0), .count("lag", 1, "Points from an input to its target."),
        .number("train_fraction", .fraction, 0.7, "The share of the pairs that is trained on."),
      ],
      mistake: { arguments in
        let pairs = arguments.integer("length") - arguments.integer("lag")
        if pairs < 1 {
          return ("lag", "it leaves no pair of a series of \(arguments.integer("length"))")
        }
        return trendCount(arguments) < 1
          ? ("train_fraction", "it leaves nothing of \(pairs) pairs to train on") : nil
      },
      shapes: { SampleShapes(input: [trendCount($0), 1], target: [trendCount($0), 1]) },
      hasTestSource: { $0.number("train_fraction") < 1 },
      source: { arguments, split in
        ArraySource.trend(
          length: arguments.integer("length"), intercept: arguments.number("intercept"),
          slope: arguments.number("slope"), curvature: arguments.number("curvature"),
          deviation: arguments.number("deviation"),
          noise: arguments.text("noise") == "point" ? .point : .series, seed: seed(arguments),
          lag: arguments.integer("lag"), trainFraction: arguments.number("train_fraction"),
          split: split)
      }),
    DatasetKind(
      "noise", "Normal numbers with no relation between inputs and targets.",
      [
        .count("inputs", 48, "Numbers of an input."), .count("targets", 10, "Numbers of a target."),
        .count("count", 1, "Samples."), seed(0),
      ],
      shapes: { SampleShapes(input: [$0.integer("inputs")], target: [$0.integer("targets")]) },
      source: { arguments, _ in
        ArraySource.noise(
          inputCount: arguments.integer("inputs"), targetCount: arguments.integer("targets"),
          count: arguments.integer("count"), seed: seed(arguments))
      }),
    DatasetKind(
      "reverse",
      "Sequences of symbols and their reverse. An input [2, length, symbols + 1] is one-hot: the sequence, and what a teacher-forced decoder is given.",
      [
        .count("count", 2000, "Training sequences."), .count("test_count", 500, "Test sequences."),
        .count("length", 8, "Symbols of a sequence."),
        .count("symbols", 10, "Different symbols; the one after them starts a decoder."), seed(0),
      ],
      shapes: {
        SampleShapes(
          input: [2, $0.integer("length"), $0.integer("symbols") + 1],
          target: [$0.integer("length")],
          classCount: $0.integer("symbols"))
      },
      hasTestSource: { _ in true },
      source: { arguments, split in
        ArraySource.reverse(
          count: arguments.integer("count"), testCount: arguments.integer("test_count"),
          length: arguments.integer("length"), symbolCount: arguments.integer("symbols"),
          seed: seed(arguments), split: split)
      }),
  ]

  private static let oneToOne = SampleShapes(input: [1], target: [1])

  private static func trendCount(_ arguments: Arguments) -> Int {
    let pairs = Double(arguments.integer("length") - arguments.integer("lag"))
    return Int(arguments.number("train_fraction") * pairs)
  }

  private static func seed(_ defaultValue: Int) -> Field {
    Field(
      "seed", .integer(0...Int(UInt32.max)), .integer(defaultValue), "Of NumPy's random numbers.")
  }

  private static func seed(_ arguments: Arguments) -> UInt32 { UInt32(arguments.integer("seed")) }
}

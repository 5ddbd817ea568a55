/// Everything that decides the bits of a training run. In YAML on disk.
public struct Recipe: Codable, Equatable, Sendable {
  /// The recipe's name; run directories are called after it.
  public var name: String
  /// One line on what to expect of it.
  public var expect: String
  public var data: DataSpec
  public var model: ModelSpec
  public var loss: LossKind
  public var optimizer: OptimizerSpec
  public var schedule: ScheduleKind
  /// Samples in a global batch: over all ranks and shards.
  public var batchSize: Int
  public var epochs: Int
  /// Whether each epoch has an order of its own.
  public var shuffle: Bool
  public var seed: UInt64
  /// Logical shards; nil: as many as the first launch has ranks.
  public var shards: Int?

  enum CodingKeys: String, CodingKey {
    case name, expect, data, model, loss, optimizer, schedule, epochs, shuffle, seed, shards
    case batchSize = "batch_size"
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    name = try fields.decode(String.self, forKey: .name)
    expect = try fields.value(.expect, default: "")
    data = try fields.decode(DataSpec.self, forKey: .data)
    model = try fields.decode(ModelSpec.self, forKey: .model)
    loss = try fields.choice(.loss)
    optimizer = try fields.decode(OptimizerSpec.self, forKey: .optimizer)
    schedule = try fields.choice(.schedule, default: .constant)
    batchSize = try fields.decode(Int.self, forKey: .batchSize)
    epochs = try fields.decode(Int.self, forKey: .epochs)
    shuffle = try fields.value(.shuffle, default: true)
    seed = try fields.value(.seed, default: 0)
    shards = try fields.decodeIfPresent(Int.self, forKey: .shards)

    try fields.check(.name, name, Recipe.isPlainName(name), "letters, digits, '-', '_' and '.'")
    try fields.check(.batchSize, batchSize, batchSize >= 1, "1 or more")
    try fields.check(.epochs, epochs, epochs >= 0, "0 or more")
    try fields.check(.shards, shards ?? 1, (1...65536).contains(shards ?? 1), "1 to 65536, or null")
  }

  /// Every key is written, also those with nothing in them: a recipe on disk shows what can be set.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(name, forKey: .name)
    try fields.encode(expect, forKey: .expect)
    try fields.encode(data, forKey: .data)
    try fields.encode(model, forKey: .model)
    try fields.encode(loss, forKey: .loss)
    try fields.encode(optimizer, forKey: .optimizer)
    try fields.encode(schedule, forKey: .schedule)
    try fields.encode(batchSize, forKey: .batchSize)
    try fields.encode(epochs, forKey: .epochs)
    try fields.encode(shuffle, forKey: .shuffle)
    try fields.encode(seed, forKey: .seed)
    try fields.encode(shards, forKey: .shards)
  }

  /// Names become parts of paths.
  private static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".")
      && name.unicodeScalars.allSatisfy {
        $0.isASCII
          && ($0.properties.isAlphabetic || $0.properties.numericType != nil
            || "-_.".unicodeScalars.contains($0))
      }
  }
}

/// Which samples.
public struct DataSpec: Codable, Equatable, Sendable {
  public enum Dataset: String, Codable, CaseIterable, Sendable {
    case mnist
    case fashionMNIST = "fashion-mnist"

    /// Where a Debian package puts it.
    public var systemPath: String? {
      self == .fashionMNIST ? "/usr/share/datasets/fashion-mnist" : nil
    }
  }

  public enum Scale: String, Codable, CaseIterable, Sendable {
    /// x / 255, as torchvision's ToTensor.
    case unit
    /// 0 ... 255.
    case raw
  }

  public var dataset: Dataset
  /// A folder with its four IDX files; nil: where the system has it.
  public var path: String?
  public var scale: Scale

  enum CodingKeys: String, CodingKey { case dataset, path, scale }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    dataset = try fields.choice(.dataset)
    path = try fields.decodeIfPresent(String.self, forKey: .path)
    scale = try fields.choice(.scale, default: .unit)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(dataset, forKey: .dataset)
    try fields.encode(path, forKey: .path)
    try fields.encode(scale, forKey: .scale)
  }
}

public enum LossKind: String, Codable, CaseIterable, Sendable {
  case crossEntropy = "cross-entropy"
}

public enum ScheduleKind: String, Codable, CaseIterable, Sendable {
  case constant
  /// To 0 along half a cosine over the run.
  case cosine
}

public struct OptimizerSpec: Codable, Equatable, Sendable {
  public enum Kind: String, Codable, CaseIterable, Sendable { case sgd, adam }

  public var kind: Kind
  /// The learning rate the schedule starts from.
  public var lr: Double
  /// Adam's; SGD has none.
  public var betas: [Double]
  public var eps: Double

  enum CodingKeys: String, CodingKey { case kind, lr, betas, eps }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    kind = try fields.choice(.kind)
    lr = try fields.decode(Double.self, forKey: .lr).writtenInFull
    try fields.check(.lr, lr, lr >= 0 && lr.isFinite, "0 or more")
    // The defaults are those of the paper, and PyTorch's.
    betas = [0.9, 0.999]
    eps = 1e-8
    guard kind == .adam else { return }
    betas = try fields.value(.betas, default: betas).map(\.writtenInFull)
    eps = try fields.value(.eps, default: eps).writtenInFull
    try fields.check(
      .betas, betas, betas.count == 2 && betas.allSatisfy { $0 >= 0 && $0 < 1 },
      "two numbers from 0 to below 1")
    try fields.check(.eps, eps, eps >= 0 && eps.isFinite, "0 or more")
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(kind, forKey: .kind)
    try fields.encode(lr, forKey: .lr)
    guard kind == .adam else { return }
    try fields.encode(betas, forKey: .betas)
    try fields.encode(eps, forKey: .eps)
  }
}

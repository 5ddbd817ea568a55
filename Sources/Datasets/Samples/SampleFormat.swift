import Tensors

/// How a pixel x, 0 ... 255, is converted for a batch.
public enum PixelScale: Sendable {
  /// Float(x) / 255, as torchvision's ToTensor.
  case unit
  /// Float(x).
  case raw
}

/// The target of a sample.
package enum TargetForm: Sendable, Equatable {
  /// The target of the source.
  case own
  /// 1 at the class, 0 elsewhere: float32 [classes].
  case oneHot
  /// The input itself, before noise, for an autoencoder.
  case input
}

/// The inputs of a network for N samples, and their targets.
package struct Batch {
  /// Each [N, its feature's shape...], float32 or int64.
  package var inputs: NamedTensors
  /// Each [N, its feature's shape...], int64 or float32. For a data set without targets, one tensor
  /// y without elements.
  package var targets: NamedTensors

  package init(inputs: NamedTensors, targets: NamedTensors) {
    self.inputs = inputs
    self.targets = targets
  }

  /// N.
  package var sampleCount: Int { inputs.first.shape[0] }
}

/// Creates batches from stored samples.
package struct SampleFormat: Sendable {
  package var scale: PixelScale
  package var target: TargetForm
  package var augmentation: Augmentation
  /// The standard deviation of normal noise on the inputs, in training and in evaluation. Targets
  /// get no noise.
  package var corruption: Double
  /// The seed of augmentation and corruption.
  package var seed: UInt64
  package var inputStandardization: Standardization?
  package var targetStandardization: Standardization?

  package init(
    scale: PixelScale = .unit, target: TargetForm = .own, augmentation: Augmentation = .init(),
    corruption: Double = 0, seed: UInt64 = 0
  ) {
    self.scale = scale
    self.target = target
    self.augmentation = augmentation
    self.corruption = corruption
    self.seed = seed
  }

  package mutating func standardize(_ standardization: DataStandardization?) {
    inputStandardization = standardization?.input
    targetStandardization = standardization?.target
  }

  /// Whether a training sample is different in every epoch.
  package var isRandom: Bool { !augmentation.isNone || corruption > 0 }

  /// Returns a batch of one shard's samples.
  /// - Parameters:
  ///   - local: local sample indices of the shard.
  ///   - epoch: the training epoch, from 1; nil for evaluation, which augments nothing.
  package func batch(
    _ store: SampleStore, shard: Int, local: UnsafeBufferPointer<Int32>, epoch: Int?
  ) -> Batch {
    if store.inputFeatures.count > 1 || store.targetFeatures.count != 1
      || store.inputFeatures[0].type == .int64
    {
      return plainBatch(store, shard: shard, local: local)
    }
    let n = local.count
    let inputs = Tensor(uninitialized: Shape([n] + store.inputShape))
    let values = inputs.pointer(Float.self)
    let width = store.inputShape.reduce(1, *)
    store.gatherInput(shard: shard, local: local, scale: scale, into: values)

    func random(_ purpose: String, _ epoch: Int, _ row: Int) -> CountedRandom {
      let sample = store.sampleIndex(shard: shard, local: Int(local[row]))
      return CountedRandom(seed: seed, purpose: purpose, epoch, sample)
    }
    if let epoch, augmentation.isGeometric, let image = ImageExtents(store.inputShape) {
      for row in 0..<n {
        augmentation.transform(
          values + row * width, channels: image.channels, height: image.height,
          width: image.width, random: random("augmentation", epoch, row))
      }
    }
    let targets = self.targets(store, shard: shard, local: local, inputs: inputs)
    if let targetStandardization, targets.dtype == .float32 {
      targetStandardization.apply(targets.pointer(Float.self), count: targets.elementCount)
    }
    inputStandardization?.apply(values, count: n * width)
    func add(_ deviation: Double, _ purpose: String, _ epoch: Int) {
      for row in 0..<n {
        let noise = random(purpose, epoch, row).standardNormals(width)
        for i in 0..<width { values[row * width + i] += Float(deviation * noise[i]) }
      }
    }
    if let epoch, augmentation.noise > 0 { add(augmentation.noise, "noise", epoch) }
    if corruption > 0 { add(corruption, "corruption", epoch ?? 0) }
    return Batch(
      inputs: NamedTensors(inputs, name: store.inputFeatures[0].name),
      targets: NamedTensors(targets, name: store.targetFeatures[0].name))
  }

  /// Returns a batch of samples with several features. Pixels are scaled; nothing else is changed.
  private func plainBatch(
    _ store: SampleStore, shard: Int, local: UnsafeBufferPointer<Int32>
  ) -> Batch {
    func empty(_ feature: Feature) -> Tensor {
      let isFloat = feature.type == .uint8 || feature.type == .float32
      return Tensor(
        uninitialized: Shape([local.count] + feature.shape), isFloat ? .float32 : .int64)
    }
    let inputs = store.inputFeatures.enumerated().map { place, feature in
      let tensor = empty(feature)
      store.gatherInput(
        place, shard: shard, local: local, scale: scale, into: tensor.rawPointer)
      return (name: feature.name, tensor: tensor)
    }
    let targets = store.targetFeatures.enumerated().map { place, feature in
      let tensor = empty(feature)
      store.gatherTarget(place, shard: shard, local: local, into: tensor.rawPointer)
      return (name: feature.name, tensor: tensor)
    }
    return Batch(
      inputs: NamedTensors(inputs),
      targets: targets.isEmpty
        ? NamedTensors(Tensor(zeros: [local.count, 0]), name: "y") : NamedTensors(targets))
  }

  /// Returns the targets of a batch.
  /// - Parameter inputs: the batch's inputs, not yet standardized and without noise.
  private func targets(
    _ store: SampleStore, shard: Int, local: UnsafeBufferPointer<Int32>, inputs: Tensor
  ) -> Tensor {
    let n = local.count
    switch target {
    case .input:
      // The caller then changes the inputs in place.
      let changes =
        inputStandardization != nil || targetStandardization != nil || corruption > 0
        || augmentation.noise > 0
      return changes ? inputs.copied() : inputs
    case .own:
      let isClass = store.targetType != .float32
      let targets = Tensor(
        uninitialized: Shape([n] + store.targetShape), isClass ? .int64 : .float32)
      store.gatherTarget(shard: shard, local: local, into: targets.rawPointer)
      return targets
    case .oneHot:
      guard case .classIndex(let count) = store.targetType else {
        fatalError("one-hot targets of a source whose targets are no classes")
      }
      let indices = Tensor(uninitialized: Shape([n] + store.targetShape), .int64)
      store.gatherTarget(shard: shard, local: local, into: indices.rawPointer)
      let targets = Tensor(zeros: Shape([n] + store.targetShape + [count]))
      let values = targets.pointer(Float.self)
      for (i, index) in indices.values(Int64.self).enumerated() {
        values[i * count + Int(index)] = 1
      }
      return targets
    }
  }

  /// The shape of one sample's target.
  package func targetShape(of source: any SampleSource) -> [Int] {
    switch (target, source.targetType) {
    case (.input, _): source.inputShape
    case (.oneHot, .classIndex(let count)): source.targetShape + [count]
    default: source.targetShape
    }
  }
}

/// A sample's shape read as an image: [H, W] or [C, H, W].
package struct ImageExtents: Sendable, Equatable {
  package let channels, height, width: Int

  package init?(_ shape: [Int]) {
    guard shape.count == 2 || shape.count == 3 else { return nil }
    channels = shape.count == 3 ? shape[0] : 1
    (height, width) = (shape[shape.count - 2], shape[shape.count - 1])
  }
}

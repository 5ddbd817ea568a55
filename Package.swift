// swift-tools-version: 6.1
import Foundation
import PackageDescription

// libFuzzer brings a main of its own, so only launch/fuzz builds this.
let fuzzing: [Target] =
  ProcessInfo.processInfo.environment["NNDIST_FUZZ"] == nil
  ? []
  : [.executableTarget(name: "fuzz", dependencies: ["FuzzedParsers"], path: "Tests/Fuzz/Main")]

// Each target imports only targets above it in this list.
let package = Package(
  name: "nndist",
  products: [
    .executable(name: "nndist", targets: ["nndist"]),
    // Tensors, gradients, layers and optimizers, for programs of one's own.
    .library(
      name: "NNDistCore", targets: ["TensorCore", "Kernels", "Autograd", "Layers", "Optimizers"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // C libraries of the system.
    .systemLibrary(
      name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev", "openmpi-bin"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    // The hot loops oneDNN has not.
    .target(name: "CKernels"),

    .target(name: "TensorCore", dependencies: ["CKernels"]),
    .target(name: "Kernels", dependencies: ["CKernels", "COneDNN", "TensorCore"]),
    .target(name: "Autograd", dependencies: ["TensorCore", "Kernels", "CKernels"]),
    .target(name: "Layers", dependencies: ["CKernels", "TensorCore", "Autograd"]),
    .target(name: "Optimizers", dependencies: ["Autograd", "CKernels", "TensorCore"]),
    .target(name: "Datasets", dependencies: ["CZlib", "CPNG", "CKernels", "TensorCore"]),
    .target(name: "Communication", dependencies: ["CKernels", "CMPI", "TensorCore"]),
    .target(
      name: "DataParallel",
      dependencies: ["CKernels", "TensorCore", "Autograd", "Layers", "Communication"]),
    .target(
      name: "Training",
      dependencies: [
        "COpenSSL", "CKernels", "TensorCore", "Autograd", "Layers", "Optimizers", "Datasets",
        "Communication", "DataParallel", "Kernels",
      ]),
    .target(
      name: "Recipes",
      dependencies: [
        "TensorCore", "Autograd", "Layers", "Optimizers", "Datasets", "Training",
        .product(name: "Yams", package: "Yams"),
      ]),
    .target(
      name: "Commands",
      dependencies: [
        "CKernels", "TensorCore", "Kernels", "Layers", "Communication", "DataParallel", "Training",
        "Recipes", "Datasets", "Autograd",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(name: "nndist", dependencies: ["Commands"]),

    // Shared helpers of the tests, and what they run on many ranks.
    .target(
      name: "TestSupport", dependencies: ["CZlib", "TensorCore", "Autograd"],
      path: "Tests/Support", exclude: ["pytorch_cases.py"]),
    .executableTarget(
      name: "rankchecks", dependencies: ["TensorCore", "Communication", "DataParallel"],
      path: "Tests/Ranks"),
    // nndist, but for faults that a test asks for.
    .executableTarget(
      name: "nndist-faults", dependencies: ["Commands", "TensorCore"], path: "Tests/Faults"),
    // The parsers that are fuzzed: by launch/fuzz, and over its corpus by the tests.
    .target(
      name: "FuzzedParsers",
      dependencies: ["CZlib", "Datasets", "Recipes", "TensorCore", "Training"],
      path: "Tests/Fuzz/Parsers"),

    // Golden: numbers beside the script that made them.
    .testTarget(
      name: "TensorCoreTests", dependencies: ["TensorCore", "TestSupport"], exclude: ["Golden"]),
    .testTarget(
      name: "KernelsTests", dependencies: ["CKernels", "Kernels", "TensorCore", "TestSupport"]),
    .testTarget(
      name: "AutogradTests", dependencies: ["Autograd", "Kernels", "TensorCore", "TestSupport"],
      exclude: ["Golden"]),
    .testTarget(
      name: "LayersTests",
      dependencies: ["Autograd", "Layers", "Optimizers", "TensorCore", "TestSupport"],
      exclude: ["Golden"]),
    .testTarget(
      name: "OptimizersTests",
      dependencies: [
        "Autograd", "CKernels", "Kernels", "Layers", "Optimizers", "TensorCore", "TestSupport",
      ],
      exclude: ["Golden"]),
    .testTarget(
      name: "DatasetsTests",
      dependencies: ["CKernels", "CZlib", "Datasets", "TensorCore", "TestSupport"],
      exclude: ["Golden"]),
    .testTarget(name: "CommunicationTests", dependencies: ["Communication", "TestSupport"]),
    .testTarget(
      name: "DataParallelTests",
      dependencies: [
        "Autograd", "CKernels", "DataParallel", "Kernels", "Layers", "TensorCore", "TestSupport",
      ]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "TensorCore", "Layers", "Optimizers", "Datasets", "DataParallel", "Training", "TestSupport",
      ]),
    .testTarget(
      name: "RecipesTests", dependencies: ["TensorCore", "Layers", "Recipes", "TestSupport"]),
    .testTarget(name: "CommandsTests", dependencies: ["Commands", "TensorCore", "TestSupport"]),
    // The programs are among the dependencies so that they are built: the tests run them.
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "nndist", "nndist-faults", "FuzzedParsers", "Autograd", "Layers", "TensorCore", "Training",
        "Recipes",
        "TestSupport",
      ],
      exclude: ["Golden"]),
  ] + fuzzing,
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)

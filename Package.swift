// swift-tools-version: 6.2
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
    // One import for programs of one's own.
    .library(name: "NNDist", targets: ["NNDist"]),
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
    // What Swift cannot do itself.
    .target(name: "CSystem"),
    // Replaces malloc: for programs, never for the library.
    .target(name: "CAllocator", dependencies: ["CSystem"]),
    // The hot loops that oneDNN does not have.
    .target(name: "CKernels", cSettings: [.headerSearchPath(".")]),

    .target(name: "System", dependencies: ["COpenSSL", "CSystem"]),
    .target(name: "Tensors", dependencies: ["CKernels", "CSystem", "System"]),
    .target(name: "Kernels", dependencies: ["CKernels", "COneDNN", "CSystem", "System", "Tensors"]),
    .target(name: "Autograd", dependencies: ["CSystem", "Kernels", "System", "Tensors"]),
    .target(name: "Layers", dependencies: ["Autograd", "CSystem", "System", "Tensors"]),
    .target(name: "Optimizers", dependencies: ["Autograd", "CKernels", "System", "Tensors"]),
    .target(
      name: "Datasets", dependencies: ["CKernels", "CPNG", "CSystem", "CZlib", "System", "Tensors"]),
    .target(
      name: "Communication", dependencies: ["CKernels", "CMPI", "CSystem", "System", "Tensors"]),
    .target(
      name: "DataParallel",
      dependencies: [
        "Autograd", "CKernels", "Communication", "CSystem", "Datasets", "Layers", "Optimizers",
        "System", "Tensors",
      ]),
    .target(
      name: "Training",
      dependencies: [
        "Autograd", "CKernels", "Communication", "CSystem", "DataParallel", "Datasets", "Kernels",
        "Layers", "Optimizers", "System", "Tensors",
      ]),
    .target(
      name: "Recipes",
      dependencies: [
        "Autograd", "Datasets", "Layers", "Optimizers", "System", "Tensors", "Training",
        .product(name: "Yams", package: "Yams"),
      ],
      // The YAML of the built-in recipes, compiled in as bytes: no bundle at run time.
      resources: [.embedInCode("BuiltIn")]),
    .target(
      name: "Benchmarks",
      dependencies: [
        "Communication", "DataParallel", "Kernels", "Layers", "Recipes", "System", "Tensors",
        "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .target(
      name: "Commands",
      dependencies: [
        "Autograd", "Benchmarks", "Communication", "CSystem", "DataParallel", "Datasets", "Kernels", "Layers",
        "Recipes", "System", "Tensors", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    // Nothing but re-exports.
    .target(
      name: "NNDist",
      dependencies: [
        "Autograd", "Commands", "Communication", "DataParallel", "Datasets", "Layers",
        "Optimizers", "Recipes", "System", "Tensors", "Training",
      ]),
    .executableTarget(name: "nndist", dependencies: ["CAllocator", "Commands"]),
    .executableTarget(name: "Examples", dependencies: ["NNDist"]),

    // Shared helpers of the tests, and what they run on many ranks.
    .target(
      name: "TestSupport", dependencies: ["Autograd", "CZlib", "System", "Tensors"],
      path: "Tests/Support", exclude: ["pytorch_cases.py"]),
    .executableTarget(
      name: "rankchecks",
      dependencies: [
        "Autograd", "Communication", "DataParallel", "Datasets", "Layers", "Optimizers", "System",
        "Tensors",
      ],
      path: "Tests/Ranks"),
    // nndist, but for faults that a test asks for.
    .executableTarget(
      name: "nndist-faults", dependencies: ["CAllocator", "Commands", "System", "Tensors"],
      path: "Tests/Faults"),
    // The parsers that are fuzzed: by launch/fuzz, and over its corpus by the tests.
    .target(
      name: "FuzzedParsers",
      dependencies: ["CZlib", "Datasets", "Recipes", "System", "Training"],
      path: "Tests/Fuzz/Parsers"),

    // Golden: numbers beside the script that made them.
    .testTarget(name: "SystemTests", dependencies: ["System", "TestSupport"]),
    .testTarget(
      name: "TensorsTests", dependencies: ["System", "Tensors", "TestSupport"], exclude: ["Golden"]),
    .testTarget(
      name: "KernelsTests",
      dependencies: ["CKernels", "Kernels", "System", "Tensors", "TestSupport"]),
    .testTarget(
      name: "AutogradTests",
      dependencies: ["Autograd", "Kernels", "System", "Tensors", "TestSupport"],
      exclude: ["Golden"]),
    .testTarget(
      name: "LayersTests",
      dependencies: ["Autograd", "Layers", "Optimizers", "System", "Tensors", "TestSupport"],
      exclude: ["Golden"]),
    .testTarget(
      name: "OptimizersTests",
      dependencies: [
        "Autograd", "CKernels", "Kernels", "Layers", "Optimizers", "System", "Tensors",
        "TestSupport",
      ],
      exclude: ["Golden"]),
    .testTarget(
      name: "DatasetsTests",
      dependencies: ["CKernels", "CZlib", "Datasets", "System", "Tensors", "TestSupport"],
      exclude: ["Golden"]),
    .testTarget(name: "CommunicationTests", dependencies: ["Communication", "TestSupport"]),
    .testTarget(
      name: "DataParallelTests",
      dependencies: [
        "Autograd", "CKernels", "CSystem", "DataParallel", "Kernels", "Layers", "System", "Tensors",
        "TestSupport",
      ]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "DataParallel", "Datasets", "Layers", "Optimizers", "System", "Tensors", "TestSupport",
        "Training",
      ]),
    .testTarget(
      name: "RecipesTests", dependencies: ["Layers", "Recipes", "System", "Tensors", "TestSupport"]),
    .testTarget(
      name: "BenchmarksTests", dependencies: ["Benchmarks", "System", "Tensors", "TestSupport"]),
    // The programs are among the dependencies so that they are built: the tests run them.
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "Autograd", "FuzzedParsers", "Layers", "Recipes", "System", "Tensors", "TestSupport",
        "Training", "Examples", "nndist", "nndist-faults",
      ],
      exclude: ["Golden", "Notebooks/Golden"]),
  ] + fuzzing,
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)

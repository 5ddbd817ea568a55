// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "mine",
  // `name:` because the folder of the checkout may have any name.
  dependencies: [.package(name: "nndist", path: "../..")],
  targets: [
    .executableTarget(name: "mine", dependencies: [.product(name: "NNDist", package: "nndist")])
  ]
)

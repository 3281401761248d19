// swift-tools-version: 6.2
import PackageDescription

let policyKit: Target.Dependency = .product(name: "PolicyKit", package: "PolicyKit")

let package = Package(
    name: "OutOfTreePolicy",
    products: [
        .library(
            name: "ShortestFirstBatching", type: .dynamic, targets: ["ShortestFirstBatching"])
    ],
    dependencies: [
        .package(path: "../../Sources/PolicyKit"),
        .package(path: "../../Sources/PolicyKitTesting"),
    ],
    targets: [
        .target(name: "ShortestFirstBatching", dependencies: [policyKit]),
        .testTarget(
            name: "ShortestFirstBatchingTests",
            dependencies: [
                "ShortestFirstBatching", policyKit,
                .product(name: "PolicyKitTesting", package: "PolicyKitTesting"),
            ]),
    ]
)

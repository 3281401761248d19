// swift-tools-version: 6.2
import PackageDescription

let policyKit: Target.Dependency = .product(name: "PolicyKit", package: "PolicyKit")

let package = Package(
    name: "CustomPolicy",
    products: [
        .library(name: "QuotaFairness", type: .dynamic, targets: ["QuotaFairness"])
    ],
    dependencies: [
        .package(path: "../../Sources/PolicyKit"),
        .package(path: "../../Sources/PolicyKitTesting"),
    ],
    targets: [
        .target(name: "QuotaFairness", dependencies: [policyKit]),
        .testTarget(
            name: "QuotaFairnessTests",
            dependencies: [
                "QuotaFairness", policyKit,
                .product(name: "PolicyKitTesting", package: "PolicyKitTesting"),
            ]),
    ]
)

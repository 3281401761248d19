// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that a policy's package can take it without the rest of Burrow. It
// depends on PolicyKit's dynamic product: its tests share the types of the policy that they check.
let package = Package(
    name: "PolicyKitTesting",
    products: [.library(name: "PolicyKitTesting", targets: ["PolicyKitTesting"])],
    dependencies: [.package(path: "../PolicyKit")],
    targets: [
        .target(
            name: "PolicyKitTesting",
            dependencies: [.product(name: "PolicyKit", package: "PolicyKit")],
            path: "PolicyKitTesting",
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .treatAllWarnings(as: .error),
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
            ])
    ]
)

// swift-tools-version: 6.2
import PackageDescription

// A package of its own, with a dynamic product: only then do the host and every plugin share one
// copy of PolicyKit's types. Library evolution lets a plugin built against an older PolicyKit run.
let package = Package(
    name: "PolicyKit",
    products: [.library(name: "PolicyKit", type: .dynamic, targets: ["PolicyKit"])],
    targets: [
        .target(
            name: "PolicyKit", path: "PolicyKit",
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .treatAllWarnings(as: .error),
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .unsafeFlags(["-enable-library-evolution"]),
            ])
    ]
)

// swift-tools-version: 6.2
import PackageDescription

// PolicyKit is a package of its own: a target inside one package always links statically, and a
// plugin that carried its own copy of PolicyKit's types could not be cast to the host's protocols.
let policyKit: Target.Dependency = .product(name: "PolicyKit", package: "PolicyKit")
let policyKitTesting: Target.Dependency = .product(
    name: "PolicyKitTesting", package: "PolicyKitTesting")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")
let collections: Target.Dependency = .product(
    name: "OrderedCollections", package: "swift-collections")

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// The uv loop drains the main queue, so everything that runs on the loop is on the main actor.
let onTheLoop: [SwiftSetting] = strict + [.defaultIsolation(MainActor.self)]

func plugin(_ name: String) -> Target {
    let own: [Target.Dependency] =
        switch name {
        // What trains a gate and what serves it evaluate one and the same formula.
        case "MoLEGate": ["MoLE"]
        // Both pursue one objective, and are compared by it.
        case "GreedyMigration": ["Rebalancing"]
        case "ILPMigration": ["Rebalancing", "IntegerRebalancing"]
        default: []
        }
    return .target(
        name: name, dependencies: [policyKit] + own, path: "Plugins/\(name)",
        exclude: ["README.md"], swiftSettings: strict)
}

let plugins = [
    "AdapterAwareDispatch", "ConsolidatingDispatch", "GreedyMigration", "ILPMigration",
    "RoundRobin",
    "AdapterPrefixBatching", "ArrowGate", "ClusteredBatching", "CreditFairness", "DLoRABatching",
    "DeadlineFairness", "IterationBatching", "LookaheadBatching", "MergedOnly", "MixedModeBatching",
    "MoLEGate", "PhatgooseGate", "ScoredResidency", "StaticDispatch", "StaticWeights",
    "TokenCounterFairness",
    "WaitingRatioBatching", "XLoRAGate",
]

let package = Package(
    name: "burrow",
    products: [
        .executable(name: "burrow", targets: ["burrow"]),
        .executable(name: "ExecutorBenchmark", targets: ["ExecutorBenchmark"]),
        .executable(name: "MigrationBenchmark", targets: ["MigrationBenchmark"]),
        .executable(name: "IsolationBenchmark", targets: ["IsolationBenchmark"]),
        .executable(name: "InstructionCount", targets: ["InstructionCount"]),
    ]
        + plugins.map { .library(name: $0, type: .dynamic, targets: [$0]) },
    dependencies: [
        .package(path: "Sources/PolicyKit"),
        .package(path: "Sources/PolicyKitTesting"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(
            name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(
            name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(name: "CHTTPParser", providers: [.apt(["libhttp-parser-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(
            name: "CKernels", exclude: [],
            cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off", "-fno-math-errno"])]),

        // CBC has headers in C++ only that are safe on several threads; Debian's coinor-libcbc-dev.
        .target(
            name: "CCbc",
            linkerSettings: ["Cbc", "Cgl", "OsiClp", "Osi", "Clp", "CoinUtils"].map {
                .linkedLibrary($0)
            }),
        .target(name: "StrictJSON", swiftSettings: strict),
        .target(name: "Spelling", swiftSettings: strict),
        .target(name: "Workloads", dependencies: ["StrictJSON"], swiftSettings: strict),
        .target(
            name: "LoadGeneration", dependencies: ["StrictJSON", "Spelling", "Workloads", "CCurl"],
            swiftSettings: strict),
        .target(name: "MoLE", dependencies: [policyKit], swiftSettings: strict),
        .target(name: "Rebalancing", dependencies: [policyKit], swiftSettings: strict),
        .target(
            name: "IntegerRebalancing", dependencies: ["Rebalancing", "CCbc"],
            swiftSettings: strict),
        .target(name: "Scheduling", dependencies: [policyKit, collections], swiftSettings: strict),
        .target(
            name: "Simulation", dependencies: ["Scheduling", "StrictJSON", "Workloads", policyKit],
            swiftSettings: strict),
        .target(
            name: "ManifestLoading", dependencies: ["Spelling", "CLibYAML", policyKit],
            swiftSettings: strict),
        .target(
            name: "Tokenization", dependencies: ["StrictJSON", "CPCRE2"], swiftSettings: strict),
        .target(
            name: "ModelLoading", dependencies: ["StrictJSON", "CLibCrypto"],
            swiftSettings: strict),
        .target(
            name: "Inference",
            dependencies: ["ModelLoading", "CKernels", "COpenBLAS", policyKit],
            swiftSettings: strict),
        .target(
            name: "Training",
            dependencies: [
                "Inference", "ModelLoading", "MoLE", "StrictJSON", "Tokenization", "COpenBLAS",
                policyKit,
            ], swiftSettings: strict),
        .target(
            name: "Composition",
            dependencies: [
                "StrictJSON", "ModelLoading", "Inference", "Tokenization", "COpenBLAS", policyKit,
            ], swiftSettings: strict),
        .target(name: "CLinux"),
        .target(name: "Supervision", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "LoopIO", dependencies: ["CLibuv", "CLinux"], swiftSettings: onTheLoop),
        .target(
            name: "PluginLoading", dependencies: ["Spelling", "CPolicy", policyKit],
            swiftSettings: strict),
        .systemLibrary(name: "CPolicy"),
        .target(name: "CIsolation"),
        .target(
            name: "PolicyIsolation",
            dependencies: ["CIsolation", "CLinux", "PluginLoading", policyKit],
            swiftSettings: strict),
        .target(
            name: "PluginScaffolding", dependencies: [policyKit], swiftSettings: strict),
        .target(
            name: "PolicyTesting",
            dependencies: [
                "ManifestLoading", "PluginLoading", "Scheduling", "Simulation", "Workloads",
                policyKit,
            ], swiftSettings: strict),
        .target(
            name: "HTTPServing",
            dependencies: ["StrictJSON", "Spelling", "LoopIO", "CHTTPParser", "COpenSSL"],
            swiftSettings: onTheLoop),
        .target(
            name: "Hosting",
            dependencies: [
                "StrictJSON", "Spelling", "Scheduling", "ManifestLoading", "Tokenization",
                "ModelLoading",
                "Inference", "LoopIO", "PluginLoading", "PolicyIsolation", "PolicyTesting",
                "HTTPServing", "Supervision", policyKit,
                log,
            ], swiftSettings: onTheLoop),
        .executableTarget(
            name: "burrow",
            dependencies: [
                "Hosting", "Supervision", "Scheduling", "ManifestLoading", "ModelLoading",
                "Inference", "PluginLoading", "PolicyIsolation", "Workloads", "LoadGeneration",
                "Simulation", "StrictJSON", "MoLE", "PolicyTesting", "Tokenization",
                "Composition", "Training", "PluginScaffolding", policyKit, policyKitTesting,
                arguments, log,
            ], swiftSettings: strict),

        .executableTarget(
            name: "ExecutorBenchmark",
            dependencies: ["Inference", "MoLE", "ModelLoading", policyKit, arguments],
            path: "Samples/Benchmarks",
            exclude: [
                "README.md", "RESULTS.md", "accuracy", "calibration", "dlora", "executor", "fleet",
                "isolation", "migration", "mole", "reload", "replicas",
            ],
            swiftSettings: strict),

        .executableTarget(
            name: "MigrationBenchmark",
            dependencies: [
                "Inference", "IntegerRebalancing", "ModelLoading", "Rebalancing", policyKit,
                arguments,
            ],
            path: "Samples/Benchmarks/migration", swiftSettings: strict),

        .executableTarget(
            name: "IsolationBenchmark",
            dependencies: ["PluginLoading", "PolicyIsolation", policyKit, arguments],
            path: "Samples/Benchmarks/isolation", swiftSettings: strict),

        .target(name: "AllocationCount", path: "Tests/AllocationCount"),
        .target(name: "CallgrindRequests", path: "Tests/CallgrindRequests"),
        .executableTarget(
            name: "InstructionCount",
            dependencies: ["AllocationCount", "CallgrindRequests", "Inference", "ModelLoading"],
            path: "Tests/InstructionCount", exclude: ["baseline.json"], swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["COpenSSL"], path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(
            name: "StrictJSONTests", dependencies: ["StrictJSON", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "RebalancingTests",
            dependencies: ["Rebalancing", "IntegerRebalancing", "TestSupport", policyKit],
            swiftSettings: strict),
        .testTarget(
            name: "SpellingTests", dependencies: ["Spelling", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "WorkloadsTests", dependencies: ["Workloads", "StrictJSON", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "Scheduling", "Simulation", "StrictJSON", "TestSupport", "Workloads", policyKit,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LoadGenerationTests",
            dependencies: ["LoadGeneration", "Workloads", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "SchedulingTests", dependencies: ["Scheduling", "TestSupport", policyKit],
            swiftSettings: strict),
        .testTarget(
            name: "ManifestLoadingTests",
            dependencies: ["ManifestLoading", "TestSupport", policyKit], swiftSettings: strict),
        .testTarget(
            name: "TokenizationTests", dependencies: ["Tokenization", "StrictJSON", "TestSupport"],
            resources: [.copy("Fixtures")], swiftSettings: strict),
        .testTarget(
            name: "ModelLoadingTests", dependencies: ["ModelLoading", "StrictJSON", "TestSupport"],
            swiftSettings: strict),
        .target(
            name: "EmulatedKernels", dependencies: ["CKernels"], path: "Tests/EmulatedKernels",
            cSettings: [
                .headerSearchPath("../../Sources/CKernels"),
                .unsafeFlags(["-O2", "-ffp-contract=off", "-fno-math-errno"]),
            ]),
        .testTarget(
            name: "InferenceTests",
            dependencies: [
                "Inference", "ModelLoading", "CKernels", "EmulatedKernels", "TestSupport",
                "AllocationCount",
                policyKit,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Inference", "ModelLoading", "MoLE", "Tokenization", "Training", "TestSupport",
                policyKit,
            ], swiftSettings: strict),
        .testTarget(
            name: "CompositionTests",
            dependencies: ["Composition", "Inference", "ModelLoading", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "LoopIOTests", dependencies: ["LoopIO"], swiftSettings: strict),
        .testTarget(
            name: "HTTPServingTests",
            dependencies: ["HTTPServing", "LoopIO", "StrictJSON", "TestSupport", "COpenSSL"],
            swiftSettings: strict),
        .testTarget(
            name: "MoLETests",
            dependencies: ["MoLE", "StrictJSON", "TestSupport", policyKit, policyKitTesting],
            swiftSettings: strict),
        .testTarget(
            name: "PluginScaffoldingTests",
            dependencies: ["PluginScaffolding", "TestSupport", policyKit], swiftSettings: strict),
        .testTarget(
            name: "PluginLoadingTests",
            dependencies: [
                "CIsolation", "PluginLoading", "PluginScaffolding", "PolicyIsolation",
                "Scheduling", "TestSupport", policyKit, policyKitTesting,
            ], swiftSettings: strict),
        .testTarget(
            name: "PolicyIsolationTests",
            dependencies: ["PolicyIsolation", policyKit, policyKitTesting],
            swiftSettings: strict),
        .testTarget(
            name: "SupervisionTests", dependencies: ["Supervision", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "PolicyTestingTests",
            dependencies: [
                "ManifestLoading", "PluginLoading", "PolicyTesting", "Scheduling", "TestSupport",
                policyKit,
            ], swiftSettings: strict),
        .testTarget(
            name: "HostingTests",
            dependencies: [
                "Hosting", "HTTPServing", "Inference", "LoopIO", "ManifestLoading", "ModelLoading",
                "PluginLoading", "Scheduling", "Supervision", "TestSupport", log, policyKit,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "BurrowTests", dependencies: ["burrow", "Hosting", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "RepositoryTests", dependencies: ["TestSupport", "InstructionCount"],
            swiftSettings: strict),
    ] + plugins.map(plugin)
)

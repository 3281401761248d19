// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A plugin that does what a plugin must not, built once for all tests that want it.
enum WaywardPolicy {
    /// `libWayward.so`, which has the batching policy `wayward-batching`.
    static let library = Result { try build() }

    /// A folder with a copy of the library, whose bytes are others for each `build`.
    static func copy(to folder: TestFolder, build: Int = 0) throws -> String {
        let target = "\(folder.path)/plugins/libWayward.so"
        try FileManager.default.createDirectory(
            atPath: "\(folder.path)/plugins", withIntermediateDirectories: true)
        // What follows the sections of an ELF file belongs to nobody.
        let bytes =
            try Data(contentsOf: URL(fileURLWithPath: try library.get().path))
            + Data("build \(build)".utf8)
        try bytes.write(to: URL(fileURLWithPath: target), options: .atomic)
        return "\(folder.path)/plugins"
    }

    struct Library: Sendable {
        let path: String
        let folder: TestFolder
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static func build() throws -> Library {
        let folder = try TestFolder()
        let source = try folder.write("Wayward.swift", source)
        let library = "\(folder.path)/libWayward.so"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "swiftc", "-O", "-swift-version", "6", "-parse-as-library", "-emit-library",
            "-module-name", "Wayward", "-I", "\(Built.folder)/Modules", "-L", Built.folder,
            "-lPolicyKit", source, "-o", library,
        ]
        let output = Pipe()
        process.standardError = output
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: String(decoding: text, as: UTF8.self))
        }
        return Library(path: library, folder: folder)
    }

    private static let source = """
        import Glibc
        import PolicyKit

        @section("burrow_plugin") @used
        let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

        @c(burrow_plugin_export)
        public func burrowPluginExport() -> UnsafeMutableRawPointer {
            PluginExport.retained([Wayward.self, WaywardGating.self])
        }

        /// Weighs alike until it has been asked often enough.
        public final class WaywardGating: GatingPolicy {
            public struct Parameters: PolicyParameters {
                @Parameter("Rows that are weighed before it traps.") var after: Int = 0
                public init() {}
            }

            public static var descriptor: PolicyDescriptor {
                PolicyDescriptor(type: "wayward-gate", version: "1.0.0", summary: "Goes astray.")
            }

            private let after: Int

            public init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
                after = parameters.after
            }

            public func gate(
                for mixture: MixtureDescription, from sources: any MixtureSources
            ) throws(PolicyError) -> any Gate {
                WaywardGate(experts: mixture.experts.count, after: after)
            }
        }

        final class WaywardGate: Gate {
            let experts: Int
            let after: Int

            init(experts: Int, after: Int) {
                self.experts = experts
                self.after = after
            }

            var traits: GateTraits { GateTraits(points: [GatePoint(.tokens)]) }

            func weigh(
                at point: Int, features: Span<Float>, rows: Span<GateRow>,
                states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
            ) throws(PolicyError) {
                for row in rows.indices {
                    if rows[row].position >= after { fatalError("weighed to trap") }
                    for expert in 0..<experts {
                        weights[row * experts + expert] = 1 / Float(experts)
                    }
                }
            }
        }

        public final class Wayward: BatchingPolicy {
            public struct Parameters: PolicyParameters {
                @Parameter("What it does.") var does: String = "well"
                @Parameter("From which call on.") var after: Int = 0
                public init() {}
            }

            public static var descriptor: PolicyDescriptor {
                PolicyDescriptor(
                    type: "wayward-batching", version: "1.0.0", summary: "Goes astray.")
            }

            private let does: String
            private let after: Int
            private var calls = 0

            public init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
                does = parameters.does
                after = parameters.after
                if does == "refuses to be made" { throw PolicyError("I do not want to be.") }
                if does == "traps when made" { fatalError("made to trap") }
                if does == "hangs when made" { while true { sched_yield() } }
            }

            public func plan(
                _ requests: Span<RequestSnapshot>, in context: BatchingContext,
                into plan: inout BatchPlan
            ) throws(PolicyError) {
                calls += 1
                if calls > after { try stray(requests, into: &plan) }
                if !plan.entries.isEmpty { return }
                plan.entries = BatchFilling(
                    requests, urgent: context.mustServe, limits: context.limits
                ).entries
            }

            private func stray(
                _ requests: Span<RequestSnapshot>, into plan: inout BatchPlan
            ) throws(PolicyError) {
                switch does {
                case "plans badly":
                    plan.entries.append(.init(index: 1 << 20, tokens: 1))
                case "throws": throw PolicyError("I would rather not.")
                case "is slow":
                    var now = timespec()
                    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
                    let end = now.tv_sec * 1_000_000_000 + now.tv_nsec + 10_000_000
                    while now.tv_sec * 1_000_000_000 + now.tv_nsec < end {
                        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
                    }
                case "hangs": while true { sched_yield() }
                case "traps": fatalError("planned to trap")
                case "reads wildly":
                    let wild = UnsafePointer<Int>(bitPattern: 8)
                    calls += wild?.pointee ?? 0
                default: break
                }
            }
        }
        """
}

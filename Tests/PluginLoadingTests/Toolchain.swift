// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Builds plugins in tests, with the compiler that built the tests.
enum Toolchain {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Builds `lib<name>.so` from one Swift file; `arguments` come last.
    static func buildSwift(
        _ source: String, module: String, in folder: TemporaryFolder, name: String? = nil,
        arguments: [String] = ["-lPolicyKit"]
    ) throws -> String {
        let name = name ?? module
        let file = try folder.write("\(name).swift", source.utf8)
        let library = "\(folder.path)/lib\(name).so"
        try run(
            try tool("swiftc"),
            [
                "-swift-version", "6", "-parse-as-library", "-emit-library", "-module-name", module,
                "-I", "\(buildFolder)/Modules", "-L", buildFolder, file, "-o", library,
            ] + arguments)
        return library
    }

    /// Builds `lib<name>.so` from C, with the Swift toolchain's own compiler.
    static func buildC(
        _ source: String, name: String, in folder: TemporaryFolder,
        arguments: [String] = ["-Wl,--no-as-needed", "-lPolicyKit"]
    ) throws -> String {
        let file = try folder.write("\(name).c", source.utf8)
        let library = "\(folder.path)/lib\(name).so"
        let swiftc = URL(fileURLWithPath: try tool("swiftc")).resolvingSymlinksInPath()
        let clang = swiftc.deletingLastPathComponent().appendingPathComponent("clang").path
        try run(
            clang, ["-shared", "-fPIC", file, "-o", library, "-L", buildFolder] + arguments)
        return library
    }

    static func tool(_ name: String) throws -> String {
        let folders = ProcessInfo.processInfo.environment["PATH"] ?? ""
        for folder in folders.split(separator: ":") {
            let path = "\(folder)/\(name)"
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        throw Failure(description: "no \(name) in PATH")
    }

    static func run(_ path: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let output = Pipe()
        process.standardError = output
        process.standardOutput = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: String(decoding: text, as: UTF8.self))
        }
    }
}

/// Sources of plugins, right and wrong.
enum PluginSource {
    /// A C plugin that refers to `symbols` besides the guard, and whose entry point answers `null`.
    static func c(
        interface: Int = 4, magic: String = "0x3150574f52525542", symbols: [String] = [],
        guardSymbol: String = "$s9PolicyKit06policyB6Guard4yyF",
        entryPoint: String = "burrow_plugin_export"
    ) -> String {
        let used = [guardSymbol] + symbols
        let declarations = used.enumerated().map { index, symbol in
            "extern void wanted\(index)(void) __asm__(\"\(symbol)\");"
        }
        let calls = used.indices.map { "wanted\($0)();" }
        return """
            struct header { unsigned long long magic; unsigned size, interface; };
            __attribute__((section("burrow_plugin"), used))
            static const struct header header = {\(magic), 16, \(interface)};
            \(declarations.joined(separator: "\n"))
            void *\(entryPoint)(void) { \(calls.joined(separator: " ")) return 0; }
            """
    }

    /// A Swift plugin with one batching policy.
    static func swift(
        type: String = "sample-batching", version: String = "1.0.0",
        exports: String = "Sample.self",
        parameter: String = "@Parameter(\"Unused.\", in: 1...8) var width: Int = 4",
        body: String = "", extra: String = ""
    ) -> String {
        """
        import PolicyKit
        @section("burrow_plugin") @used
        let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)
        @c(burrow_plugin_export)
        public func burrowPluginExport() -> UnsafeMutableRawPointer {
            PluginExport.retained([\(exports)])
        }
        public final class Sample: BatchingPolicy {
            public struct Parameters: PolicyParameters {
                \(parameter)
                public init() {}
            }
            public static var descriptor: PolicyDescriptor {
                PolicyDescriptor(type: "\(type)", version: "\(version)", summary: "A sample.")
            }
            public init(parameters: Parameters, seed: UInt64) throws(PolicyError) {}
            public func plan(
                _ requests: Span<RequestSnapshot>, in context: BatchingContext,
                into plan: inout BatchPlan
            ) throws(PolicyError) {
                \(body)
            }
        }
        \(extra)
        """
    }
}

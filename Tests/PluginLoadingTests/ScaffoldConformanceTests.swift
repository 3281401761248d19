// SPDX-License-Identifier: Apache-2.0

import Foundation
import PluginScaffolding
import PolicyKit
import PolicyKitTesting
import TestSupport
import Testing

@testable import PluginLoading

/// What `burrow plugin new` writes compiles, loads and conforms, for every kind.
struct ScaffoldConformanceTests {
    private func scaffold(_ kind: PolicyKind) throws -> PluginScaffold {
        let sdk = try PolicySDK.find(
            option: Repository.path, environment: [:], program: "", folder: "/")
        return try PluginScaffold(name: "sketch", kind: kind, sdk: sdk)
    }

    @Test(arguments: PolicyKind.allCases)
    func aNewPolicyConforms(kind: PolicyKind) throws {
        let scaffold = try scaffold(kind)
        let folder = try TemporaryFolder()
        let module = scaffold.name.swiftName
        let library = try PluginLibrary.load(
            try Toolchain.buildSwift(
                try #require(scaffold.files[scaffold.sourcePath]), module: module, in: folder,
                arguments: [
                    "-lPolicyKit", "-warnings-as-errors", "-enable-testing", "-emit-module",
                    "-emit-module-path", "\(folder.path)/\(module).swiftmodule",
                ]),
            into: folder.path)
        #expect(library.policies.map { $0.descriptor.type } == ["sketch"])
        #expect(library.policies.map { $0.kind } == [kind])
        for policy in library.policies {
            for seed in [1, 2, 3] as [UInt64] {
                #expect(PolicyConformance(seed: seed).violations(of: policy) == [])
            }
        }
        try checkTests(of: scaffold, in: folder)
    }

    /// The package's own tests compile; `PolicyTutorialTests` run a package.
    private func checkTests(of scaffold: PluginScaffold, in folder: TemporaryFolder) throws {
        let tests = try folder.write(
            "Tests.swift", try #require(scaffold.files[scaffold.testPath]).utf8)
        let swiftc = try Toolchain.tool("swiftc")
        let toolchain = URL(fileURLWithPath: swiftc).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().path
        try Toolchain.run(
            swiftc,
            [
                "-typecheck", "-swift-version", "6", "-parse-as-library", "-warnings-as-errors",
                "-I", "\(buildFolder)/Modules", "-I", folder.path,
                "-plugin-path", "\(toolchain)/lib/swift/host/plugins", tests,
            ])
    }

    /// The checks by name find what ``PolicyConformance/violations(of:values:sources:)`` finds.
    @Test(arguments: builtPlugins)
    func theChecksByNameAgree(name: String) throws {
        let folder = try TemporaryFolder()
        let library = try PluginLibrary.load(builtPlugin(name), into: folder.path)
        for policy in library.policies {
            let kit = PolicyConformance(seed: 1, rounds: 20)
            let sources = RandomGateFiles.sources(of: policy.descriptor.type, seed: 1)
            let checks = kit.checks(of: policy, sources: sources)
            #expect(Set(checks.map(\.rule)).count == checks.count)
            #expect(checks.first?.rule == "declared" && checks.count > 1)
            #expect(checks.compactMap { $0.run() } == [])
        }
    }

    @Test func callsAreTimedByTheClockThatIsGiven() throws {
        let folder = try TemporaryFolder()
        let library = try PluginLibrary.load(builtPlugin("RoundRobin"), into: folder.path)
        var now = Duration.zero
        let clock: () -> Duration = {
            now += .microseconds(3)
            return now
        }
        let kit = PolicyConformance(seed: 1, rounds: 50)
        let times = try kit.callTimes(of: library.policies[0], clock: clock)
        #expect(times == Array(repeating: .microseconds(3), count: 50))
    }
}

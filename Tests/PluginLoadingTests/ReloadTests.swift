// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import PluginLoading

/// Libraries are loaded from private copies, and versions live side by side.
struct ReloadTests {
    private static func plan(by policy: any Policy) throws -> BatchPlan {
        let batching = try #require(policy as? any BatchingPolicy)
        var plan = BatchPlan()
        let context = BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(requests: 4, tokens: 4, freePages: 4, pageTokens: 4))
        try batching.plan([RequestSnapshot]().span, in: context, into: &plan)
        return plan
    }

    private static func entry(_ index: Int) -> String {
        "plan.entries = [BatchPlan.Entry(index: \(index), tokens: Scale.by(\(index)))]"
    }

    @Test func twoVersionsOfOnePluginLiveTogether() throws {
        let (folder, state) = (try TemporaryFolder(), try TemporaryFolder())
        let first = PluginSource.swift(
            version: "1.0.0", body: Self.entry(1),
            extra: "enum Scale { static func by(_ n: Int) -> Int { n } }")
        let second = PluginSource.swift(
            version: "2.0.0", body: Self.entry(2),
            extra: "struct Scale { var a = 1.5; static func by(_ n: Int) -> Int { n * 100 } }")
        let path = try Toolchain.buildSwift(first, module: "Versioned", in: folder)
        var old = try PolicyRegistry(builtIn: [])
        try old.load(from: [folder.path], stateFolder: state.path)
        let oldPolicy = try old.make("sample-batching", seed: 1)

        #expect(try Toolchain.buildSwift(second, module: "Versioned", in: folder) == path)
        var new = try PolicyRegistry(builtIn: [])
        try new.load(from: [folder.path], stateFolder: state.path)
        let newPolicy = try new.make("sample-batching", seed: 1)

        #expect(try Self.plan(by: oldPolicy).entries == [BatchPlan.Entry(index: 1, tokens: 1)])
        #expect(try Self.plan(by: newPolicy).entries == [BatchPlan.Entry(index: 2, tokens: 200)])
        #expect(try old.description(of: "sample-batching").version == "1.0.0")
        #expect(try new.description(of: "sample-batching").version == "2.0.0")
        #expect(ObjectIdentifier(type(of: oldPolicy)) != ObjectIdentifier(type(of: newPolicy)))
    }

    @Test func theSameBytesAreLoadedOnce() throws {
        let state = try TemporaryFolder()
        let first = try PluginLibrary.load(builtPlugin("MergedOnly"), into: state.path)
        let second = try PluginLibrary.load(builtPlugin("MergedOnly"), into: state.path)
        #expect(first.loadedFrom == second.loadedFrom)
        #expect(ObjectIdentifier(first.policies[0]) == ObjectIdentifier(second.policies[0]))
        #expect(try FileManager.default.contentsOfDirectory(atPath: state.path).count == 1)
        let attributes = try FileManager.default.attributesOfItem(atPath: first.loadedFrom)
        #expect(attributes[.posixPermissions] as? Int == 0o500)
    }

    @Test func aCopyThatACrashCutShortIsNotLoaded() throws {
        let state = try TemporaryFolder()
        let bytes = try LibraryFile.read(builtPlugin("MergedOnly"))
        let name = try LibraryFile.keep(bytes, named: "MergedOnly", in: state.path)
        try FileManager.default.removeItem(atPath: name)
        try Data(bytes.prefix(100)).write(to: URL(fileURLWithPath: name))
        let library = try PluginLibrary.load(builtPlugin("MergedOnly"), into: state.path)
        #expect(library.loadedFrom != name)
        #expect(try LibraryFile.read(library.loadedFrom) == bytes)
    }
}

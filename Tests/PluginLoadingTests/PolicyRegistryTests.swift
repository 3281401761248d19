// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import PluginLoading

private final class OldestResidency: ResidencyPolicy {
    typealias Parameters = NoParameters
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "oldest-residency", version: "1.0.0", summary: "A test.")
    }
    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}
    func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID { candidates[0].id }
}

struct PolicyRegistryTests {
    private let state: TemporaryFolder

    init() throws { state = try TemporaryFolder() }

    private func registry(_ folders: [String]) throws(PluginError) -> PolicyRegistry {
        var registry = try PolicyRegistry(builtIn: [OldestResidency.self])
        try registry.load(from: folders, stateFolder: state.path)
        return registry
    }

    @Test func theBuildFolderGivesItsPlugins() throws {
        let registry = try registry([buildFolder, buildFolder + "/"])
        let types = Set(registry.descriptions.map(\.type))
        #expect(types.isSuperset(of: ["iteration-batching", "merged-only", "oldest-residency"]))
        let paths = registry.libraries.map(\.path)
        #expect(Set(paths).count == paths.count)
        #expect(Set(paths).isSuperset(of: builtPlugins.map(builtPlugin)))
    }

    @Test func aDescriptionTellsAllWithoutMakingAPolicy() throws {
        let description = try registry([buildFolder]).description(of: "iteration-batching")
        #expect(description.kind == .batching)
        #expect(description.version == "1.0.0")
        #expect(description.origin == .library(builtPlugin("IterationBatching")))
        #expect(description.parameters.map(\.name) == ["reserveOutput"])
        #expect(description.parameters[0].type == .boolean)
        #expect(description.parameters[0].defaultValue == .boolean(true))
    }

    @Test func policiesAreMadeWithTheirParameters() throws {
        let registry = try registry([buildFolder])
        _ = try registry.makeBatching("merged-only", seed: 1)
        _ = try registry.makeBatching(
            "iteration-batching", values: ["reserveOutput": .boolean(false)], seed: 1)
        _ = try registry.makeResidency("oldest-residency", seed: 1)
    }

    @Test(arguments: [
        (["reserve": ParameterValue.boolean(true)], "no parameter 'reserve'"),
        (["reserveOutput": .integer(1)], "takes true or false, not 1"),
    ])
    func wrongParametersAreRefused(values: [String: ParameterValue], words: String) throws {
        let registry = try registry([buildFolder])
        let error = #expect(throws: PluginError.self) {
            try registry.make("iteration-batching", values: values, seed: 1)
        }
        #expect(error?.code == .refusedParameters)
        #expect(error?.message.contains(words) == true)
    }

    @Test func aSlipInATypeNameIsCorrected() throws {
        let registry = try registry([buildFolder])
        let error = #expect(throws: PluginError.self) {
            try registry.make("merged-onyl", seed: 1)
        }
        #expect(error?.code == .unknownType)
        #expect(error?.message.contains("did you mean 'merged-only'?") == true)
    }

    @Test func aPolicyOfAnotherKindIsRefused() throws {
        let registry = try registry([buildFolder])
        let error = #expect(throws: PluginError.self) {
            try registry.makeFairness("merged-only", seed: 1)
        }
        #expect(error?.code == .wrongKind)
        #expect(throws: PluginError.self) { try registry.makeDispatch("merged-only", seed: 1) }
        #expect(throws: PluginError.self) { try registry.makeResidency("merged-only", seed: 1) }
        #expect(throws: PluginError.self) { try registry.makeGating("merged-only", seed: 1) }
        #expect(throws: PluginError.self) {
            try registry.makeBatching("oldest-residency", seed: 1)
        }
    }

    @Test func oneTypeInTwoLibrariesNamesBoth() throws {
        let folder = try TemporaryFolder()
        let bytes = try LibraryFile.read(builtPlugin("MergedOnly"))
        _ = try folder.write("libOne.so", bytes)
        _ = try folder.write("libTwo.so", bytes)
        let error = #expect(throws: PluginError.self) { try registry([folder.path]) }
        #expect(error?.code == .duplicateType)
        #expect(error?.message.contains("\(folder.path)/libOne.so") == true)
        #expect(error?.message.contains("\(folder.path)/libTwo.so") == true)
    }

    @Test func aLinkToALibraryIsTheSameLibrary() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder.path)/libAgain.so", withDestinationPath: builtPlugin("MergedOnly"))
        let both = try registry([buildFolder, folder.path])
        #expect(both.libraries.count == (try registry([buildFolder]).libraries.count))
    }

    @Test func anUnreadableFolderIsAnError() {
        let error = #expect(throws: PluginError.self) { try registry(["/no/such/folder"]) }
        #expect(error?.code == .unreadable)
        #expect(error?.subject == "/no/such/folder")
    }

    @Test func aRefusedLibraryStopsNobodyButIsNamed() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write("libBroken.so", "not a library".utf8)
        _ = try folder.write("notes.txt", "nothing to load".utf8)
        let registry = try registry([folder.path])
        #expect(registry.refusals.map(\.code) == [.notELF])
        let error = #expect(throws: PluginError.self) { try registry.make("broken", seed: 1) }
        #expect(error?.message.contains("libBroken.so: not an ELF file") == true)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import ManifestLoading
import PluginLoading
import PolicyKit
import Testing

@testable import Hosting

/// Generations made of manifests in memory.
enum ReloadFixture {
    static func text(_ spec: String, name: String = "test") -> String {
        """
        apiVersion: burrow/v1
        kind: Host
        metadata: {name: \(name)}
        spec:
          model: {path: \(Built.samples)/model, name: sample}
          plugins: {search: [\(Built.folder)], instances: [
            {name: slow, type: dlora-batching, parameters: {alpha: 2}}]}
          \(spec)
        """
    }

    static func facts(_ spec: String) throws -> KeptGeneration {
        var cache = LibraryCache()
        let text = ManifestText(Array(text(spec).utf8), file: "m.yaml", directory: "/tmp")
        let loaded = try ManifestReader.load(text, cache: &cache)
        return KeptGeneration(facts: try GenerationFacts(loaded, from: text), loaded: loaded)
    }
}

/// What a change of a manifest comes to.
struct GenerationComparisonTests {
    private static let adapters = "\(Built.samples)/adapters"

    /// The specs before and after, and the lines that `burrow plan` shows.
    private static let cases: [(String, String, [String])] = [
        ("limits: {queue: 5}", "limits: {queue: 5}  # the same", []),
        ("limits: {queue: 5}", "limits: {queue: 6}", ["~ limits.queue: 5 → 6"]),
        (
            "server: {listen: 127.0.0.1:1}", "server: {listen: 127.0.0.1:2}",
            ["~ server.listen: 127.0.0.1:1 → 127.0.0.1:2"]
        ),
        (
            "pipeline: {batching: slow}", "pipeline: {batching: merged-only}",
            ["~ batching: dlora-batching → merged-only"]
        ),
        (
            "pipeline: {fairness: arrival-order}", "pipeline: {fairness: credit-fairness}",
            ["~ fairness: arrival-order → credit-fairness"]
        ),
        (
            "adapters: [{name: a, path: \(adapters)/roman}]",
            "adapters: [{name: b, path: \(adapters)/roman}]",
            ["+ adapter b: \(adapters)/roman", "- adapter a"]
        ),
        (
            "adapters: [{name: a, path: \(adapters)/roman}]",
            "adapters: [{name: a, path: \(adapters)/french, pinned: true}]",
            [
                "~ adapter a: \(adapters)/roman → \(adapters)/french",
                "~ adapter a: not pinned, weight 1.0 → pinned, weight 1.0",
            ]
        ),
        (
            "adapters: [{synthetic: {count: 2, rank: 4, seed: 1}}]",
            "adapters: [{synthetic: {count: 2, rank: 4, seed: 1}, weight: 2}]",
            [
                "~ adapter synthetic-0: not pinned, weight 1.0 → not pinned, weight 2.0",
                "~ adapter synthetic-1: not pinned, weight 1.0 → not pinned, weight 2.0",
            ]
        ),
    ]

    @Test(arguments: cases.indices)
    func changesAreNamed(_ index: Int) throws {
        let (before, after, lines) = Self.cases[index]
        let comparison = GenerationComparison(
            from: try ReloadFixture.facts(before).facts, to: try ReloadFixture.facts(after).facts)
        #expect(comparison.changes.map(\.description) == lines)
    }

    @Test func onlyTheWordsOfAPolicyThatIsUsedCount() throws {
        let before = try ReloadFixture.facts("limits: {queue: 5}").facts
        #expect(before.policies[.batching]?.type == "fcfs-unmerged")
        let other = try ReloadFixture.facts("pipeline: {batching: slow}").facts
        let comparison = GenerationComparison(from: before, to: other)
        #expect(comparison.kinds == [.batching])
        #expect(other.policies[.batching]?.build?.contains("DLoRABatching") == true)
        #expect(before.digest != other.digest)
    }

    @Test func mixturesFollowTheirExperts() throws {
        let adapters = "adapters: [{name: a, path: %@}, {name: b, path: \(Self.adapters)/date}]"
        let mixture = "\n  mixtures: [{name: m, experts: [a, b]}]"
        func facts(_ folder: String) throws -> GenerationFacts {
            let spec = adapters.replacing("%@", with: "\(Self.adapters)/\(folder)") + mixture
            return try ReloadFixture.facts(spec).facts
        }
        let comparison = GenerationComparison(from: try facts("roman"), to: try facts("french"))
        #expect(comparison.openedMixtures == ["m"])
        #expect(comparison.openedAdapters.map(\.name) == ["a"])
        #expect(comparison.changes.last?.description == "↻ mixture m: an expert has changed")
    }

    /// A key of the manifest that nothing compares would be ignored in a reload.
    @Test func everyValueOfTheManifestIsCompared() throws {
        // Compared name by name: adapters, mixtures, policies; and what says where files are.
        let compared: Set = [
            "adapters", "mixtures", "pipeline", "plugins.search", "plugins.instances",
        ]
        let settings = Set(ManifestSettings.all.map(\.path))
        var missing: [String] = []
        let manifest = try ReloadFixture.facts("limits: {queue: 5}").facts.manifest
        for section in Mirror(reflecting: manifest.spec).children {
            let name = try #require(section.label)
            if settings.contains(name) || compared.contains(name) { continue }
            for value in Mirror(reflecting: section.value).children {
                let path = "\(name).\(try #require(value.label))"
                if name == "model" || settings.contains(path) || compared.contains(path) {
                    continue
                }
                missing.append(path)
            }
        }
        #expect(missing.isEmpty)
    }

    @Test func thePartOfTheModelThatIsNotNamedIsComparedToo() throws {
        let before = try ReloadFixture.facts("limits: {queue: 5}").facts
        let names = Mirror(reflecting: before.manifest.spec.model).children.compactMap(\.label)
        #expect(names == ["source", "dtype", "name", "cache"])
    }
}

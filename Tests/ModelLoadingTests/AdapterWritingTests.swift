// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import ModelLoading

/// Adapters that are written and read again.
struct AdapterWritingTests {
    private static let names = ["all-r8", "layers-some", "patterned", "qv-rslora-r4", "wide-r32"]

    private func configuration(_ family: String) throws -> ModelConfiguration {
        try ModelConfiguration.open(folder: "\(Repository.golden(family))/base")
    }

    private func text(_ folder: String) throws -> String {
        try String(contentsOfFile: "\(folder)/adapter_config.json", encoding: .utf8)
    }

    @Test(arguments: Repository.goldens, names)
    func ranksScalesAndElementsComeBack(family: String, name: String) throws {
        let folder = try TemporaryFolder()
        let model = try configuration(family)
        let adapter = try AdapterWeights.open(
            folder: "\(Repository.golden(family))/adapters/\(name)", name: name, for: model)
        try adapter.write(to: folder.path, for: model)
        let read = try AdapterWeights.open(folder: folder.path, name: name, for: model)
        #expect(Set(read.sites.keys) == Set(adapter.sites.keys))
        #expect(read.baseModelName == adapter.baseModelName)
        for (site, factors) in adapter.sites {
            let found = try #require(read.sites[site])
            #expect(found.rank == factors.rank && found.scale == factors.scale, "\(site)")
            #expect(try found.a.floats() == factors.a.floats())
            #expect(try found.b.floats() == factors.b.floats())
        }
        // Without a model it is as good.
        #expect(AdapterInspection(folder: folder.path).refusals.isEmpty)
    }

    @Test func theSameAdapterGivesTheSameBytes() throws {
        let model = TinyModel.configuration
        var files: [[Data]] = []
        for _ in 0..<2 {
            let folder = try TemporaryFolder()
            try TinyAdapter.write(to: folder.path)
            let adapter = try AdapterWeights.open(folder: folder.path, name: "tiny", for: model)
            let target = try TemporaryFolder()
            try adapter.write(to: target.path, for: model, as: .bf16)
            files.append(
                try ["adapter_config.json", "adapter_model.safetensors"].map {
                    try Data(contentsOf: URL(fileURLWithPath: "\(target.path)/\($0)"))
                })
        }
        #expect(files[0] == files[1])
    }

    @Test func targetsAreShortWhereAllLayersHaveThem() throws {
        let model = TinyModel.configuration
        func written(_ layers: [Int]) throws -> String {
            let folder = try TemporaryFolder()
            var sites: [AdapterSite: LoRAFactors] = [:]
            for layer in layers {
                let site = AdapterSite(layer: layer, linear: .q)
                sites[site] = LoRAFactors(
                    site: site, rank: 1, scale: 0.5, a: Array(repeating: 1, count: 8),
                    b: Array(repeating: 1, count: 8))
            }
            try AdapterWeights(name: "made", computed: sites, for: model)
                .write(to: folder.path, for: model)
            return try text(folder.path)
        }
        #expect(try written([0, 1]).contains("\"target_modules\":[\"q_proj\"]"))
        #expect(
            try written([0]).contains("\"target_modules\":[\"model.layers.0.self_attn.q_proj\"]"))
    }

    @Test func theCommonestRankIsTheRank() throws {
        let folder = try TemporaryFolder()
        let model = TinyModel.configuration
        var sites: [AdapterSite: LoRAFactors] = [:]
        for (linear, rank, scale) in [(LinearKind.q, 2, Float(0.3)), (.o, 2, 0.3), (.down, 3, 0.7)]
        {
            let site = AdapterSite(layer: 1, linear: linear)
            sites[site] = LoRAFactors(
                site: site, rank: rank, scale: scale,
                a: Array(repeating: 1, count: rank * model.inputSize(of: linear)),
                b: Array(repeating: 1, count: rank * model.outputSize(of: linear)))
        }
        try AdapterWeights(name: "made", computed: sites, for: model)
            .write(to: folder.path, for: model)
        let text = try text(folder.path)
        #expect(
            text.contains("\"r\":2,") && text.contains("\"rank_pattern\":{\"model.layers.1.mlp"))
        let read = try AdapterWeights.open(folder: folder.path, name: "made", for: model)
        for (site, factors) in sites {
            #expect(read.sites[site]?.rank == factors.rank)
            #expect(read.sites[site]?.scale == factors.scale)
        }
    }

    @Test func factorsInMemoryAreChecked() {
        let model = TinyModel.configuration
        let site = AdapterSite(layer: 0, linear: .q)
        func code(_ sites: [AdapterSite: LoRAFactors], name: String = "made")
            -> ModelLoadingError.Code?
        {
            loadingError { _ = try AdapterWeights(name: name, computed: sites, for: model) }?.code
        }
        func factors(_ value: Float, inputs: Int = 8, scale: Float = 1) -> LoRAFactors {
            LoRAFactors(
                site: site, rank: 1, scale: scale, a: Array(repeating: value, count: inputs),
                b: Array(repeating: 1, count: 8))
        }
        #expect(code([site: factors(1)]) == nil)
        #expect(code([:]) == .missingTensor)
        #expect(code([site: factors(1)], name: "a/b") == .invalidName)
        #expect(code([site: factors(.nan)]) == .notFinite)
        #expect(code([site: factors(1, scale: .infinity)]) == .notFinite)
        #expect(code([site: factors(1, inputs: 9)]) == .wrongShape)
        #expect(code([AdapterSite(layer: 2, linear: .q): factors(1)]) == .unexpectedTensor)
    }

    @Test func aFolderThatIsMissingIsTold() throws {
        let folder = try TemporaryFolder()
        try TinyAdapter.write(to: folder.path)
        let model = TinyModel.configuration
        let adapter = try AdapterWeights.open(folder: folder.path, name: "tiny", for: model)
        let error = loadingError { try adapter.write(to: "/nowhere/at/all", for: model) }
        #expect(error?.code == .unwritable)
    }
}

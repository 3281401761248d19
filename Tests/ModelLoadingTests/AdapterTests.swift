// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import ModelLoading

/// The adapters that PEFT itself saved.
struct AdapterTests {
    private func configuration(_ family: String) throws -> ModelConfiguration {
        try ModelConfiguration.open(folder: "\(Repository.golden(family))/base")
    }

    private func open(_ family: String, _ name: String) throws -> AdapterWeights {
        try AdapterWeights.open(
            folder: "\(Repository.golden(family))/adapters/\(name)", name: name,
            for: configuration(family), baseNames: ["models/base"])
    }

    @Test(arguments: Repository.goldens)
    func goldenAdaptersHaveTheirRanksAndScales(family: String) throws {
        let all = try open(family, "all-r8")
        #expect(all.sites.count == 21)
        #expect(all.sites.values.allSatisfy { $0.rank == 8 && $0.scale == 2 })
        #expect(all.notes.isEmpty)
        #expect(
            all.byteCount == all.sites.values.reduce(0) { $0 + $1.a.byteCount + $1.b.byteCount })

        let stabilised = try open(family, "qv-rslora-r4")
        #expect(Set(stabilised.sites.keys.map(\.linear)) == [.q, .v])
        #expect(stabilised.sites.values.allSatisfy { $0.rank == 4 && $0.scale == 4 })

        let wide = try open(family, "wide-r32")
        #expect(Set(wide.sites.keys.map(\.linear)) == [.gate, .up, .down, .o])
        #expect(wide.sites.values.allSatisfy { $0.scale == 3 })
        #expect(wide.maximumRank == 32)

        let some = try open(family, "layers-some")
        #expect(Set(some.sites.keys.map(\.layer)) == [0, 2])
        #expect(some.sites.values.allSatisfy { $0.scale == 4 })
    }

    @Test(arguments: Repository.goldens)
    func patternsDecideSingleSites(family: String) throws {
        let adapter = try open(family, "patterned")
        #expect(adapter.maximumRank == 12)
        for (site, factors) in adapter.sites {
            let (rank, scale): (Int, Float) =
                switch (site.layer, site.linear) {
                case (_, .q): (12, 4)
                case (1, .down): (2, 4)
                case (_, .v): (4, 0.5)
                default: (4, 2)
                }
            #expect(factors.rank == rank && factors.scale == scale, "\(site)")
            #expect(factors.a.shape[0] == rank && factors.b.shape[1] == rank)
        }
    }

    @Test(arguments: Repository.goldens, ["dora", "bias", "save-head"])
    func goldenRefusalsGiveTheReason(family: String, name: String) throws {
        let folder = "\(Repository.golden(family))/refuse/\(name)"
        let model = try configuration(family)
        let error = loadingError {
            _ = try AdapterWeights.open(folder: folder, name: name, for: model)
        }
        let (key, word) =
            [
                "dora": ("use_dora", "DoRA"), "bias": ("bias", "biases"),
                "save-head": ("modules_to_save", "modules"),
            ][name] ?? ("", "")
        #expect(error?.code == .unsupportedAdapter)
        #expect(error?.key == key)
        #expect(error?.message.contains(word) == true)

        let inspection = AdapterInspection(folder: folder, for: model)
        #expect(inspection.refusals.first?.key == key)
        // What the file holds is told although it is refused.
        #expect(inspection.ranks == [8])
        #expect(inspection.layers == [0, 1, 2])
    }

    @Test func adaptersOfAnotherModelAreRefused() throws {
        let folder = "\(Repository.path)/Samples/adapters/roman"
        let model = try configuration("llama-tied-bf16")
        let error = loadingError {
            _ = try AdapterWeights.open(folder: folder, name: "roman", for: model)
        }
        #expect(error?.code == .wrongShape)
        #expect(error?.message.contains("another model") == true)
    }

    @Test func theSampleAdaptersOpen() throws {
        let model = try ModelConfiguration.open(folder: "\(Repository.path)/Samples/model")
        let entries = try FolderListing.adapters(in: "\(Repository.path)/Samples/adapters")
        #expect(
            entries.map(\.name) == [
                "add", "date", "english", "french", "pig", "reverse", "roman", "shout",
            ])
        for entry in entries {
            let adapter = try AdapterWeights.open(
                folder: entry.path, name: entry.name, for: model, baseNames: ["model"])
            #expect(adapter.sites.count == 28)
            #expect(adapter.maximumRank == 8)
            #expect(adapter.sites.values.allSatisfy { $0.scale == 2 })
            #expect(adapter.notes.count == 1)
        }
    }

    @Test func inspectionNeedsNoBaseModel() throws {
        let folder = "\(Repository.golden("llama-tied-bf16"))/adapters/patterned"
        let inspection = AdapterInspection(folder: folder)
        #expect(inspection.refusals.isEmpty)
        #expect(inspection.ranks == [2, 4, 12])
        #expect(inspection.scales == [0.5, 2, 4])
        #expect(inspection.alpha == 8)
        #expect(inspection.scaling == "alpha/r")
        #expect(inspection.targets.count == 7)
        #expect(inspection.elementTypes == ["F32"])
        #expect(inspection.baseModelName == "base")
        #expect(inspection.byteCount == inspection.parameterCount * 4)
        let json = try JSONEncoder().encode(inspection)
        #expect(try JSONDecoder().decode(AdapterInspection.self, from: json) == inspection)
    }

    @Test func syntheticAdaptersCoverEverySite() throws {
        let model = TinyModel.configuration
        let adapter = AdapterWeights.synthetic(name: "s", rank: 3, seed: 5, for: model)
        #expect(adapter.sites.count == 14)
        #expect(adapter.maximumRank == 3)
        for (site, factors) in adapter.sites {
            #expect(factors.a.shape == [3, model.inputSize(of: site.linear)])
            #expect(factors.b.shape == [model.outputSize(of: site.linear), 3])
            let (a, b) = (try factors.a.floats(), try factors.b.floats())
            #expect(a.contains { $0 != 0 } && b.contains { $0 != 0 })
            #expect(a.allSatisfy(\.isFinite) && b.allSatisfy(\.isFinite))
        }
        let again = AdapterWeights.synthetic(name: "s", rank: 3, seed: 5, for: model)
        let site = AdapterSite(layer: 1, linear: .down)
        #expect(try again.sites[site]?.a.floats() == adapter.sites[site]?.a.floats())
        let other = AdapterWeights.synthetic(name: "s", rank: 3, seed: 6, for: model)
        #expect(try other.sites[site]?.a.floats() != adapter.sites[site]?.a.floats())
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import TestSupport
import Testing

@testable import Composition

/// What holds for the composition of whole adapters.
struct CompositionTests {
    /// With everything kept: each is the identity on one adapter.
    static let methods: [CompositionMethod] = [
        .concatenate, .svd, .magnitudePrune(density: 1), .dare(density: 1), .ties(density: 1),
        .dareTies(density: 1), .factorwise,
    ]

    private func compose(
        _ adapters: [WeightedAdapter], _ method: CompositionMethod, for model: ModelConfiguration,
        rank: Int? = nil, type: SafetensorsWriter.ElementType = .f32
    ) throws -> ComposedAdapter {
        var composition = try AdapterComposition(adapters, by: method, for: model)
        composition.rank = rank
        composition.type = type
        return try composition.run(name: "composed")
    }

    /// The rounding of both factors to f32.
    private func expectSame(_ left: AdapterWeights, _ right: AdapterWeights) throws {
        let model = try Golden.model()
        #expect(Set(left.sites.keys) == Set(right.sites.keys))
        for site in left.sites.keys.sorted() {
            let wanted = try right.update(at: site, for: model)
            let found = try left.update(at: site, for: model)
            #expect(found.distance(to: wanted) <= 1e-6 * wanted.norm, "\(site)")
        }
    }

    @Test(arguments: methods, Golden.names)
    func oneAdapterOfWeightOneStaysAsItIs(method: CompositionMethod, name: String) throws {
        let adapter = try Golden.adapter(name)
        let composed = try compose(
            [WeightedAdapter(adapter)], method, for: Golden.model())
        try expectSame(composed.adapter, adapter)
        // No ranks are made up; the scale is 1 whatever it was.
        for (site, factors) in composed.adapter.sites {
            #expect(factors.rank <= adapter.sites[site]?.rank ?? 0 && factors.scale == 1)
        }
        #expect(composed.report.worst?.relativeError ?? 1 < 1e-6)
    }

    /// The same through the whole matrices that signs are elected on.
    @Test(arguments: [CompositionMethod.ties(density: 1), .dareTies(density: 1)])
    func anAdapterOfWeightZeroChangesNothing(method: CompositionMethod) throws {
        let adapter = try Golden.adapter("all-r8")
        let composed = try compose(
            [
                WeightedAdapter(adapter),
                WeightedAdapter(try Golden.adapter("patterned"), weight: 0),
            ],
            method, for: Golden.model(), rank: 8)
        try expectSame(composed.adapter, adapter)
    }

    @Test(arguments: Golden.names)
    func whatIsWrittenIsReadAsTheSame(name: String) throws {
        let folder = try TemporaryFolder()
        let (adapter, model) = (try Golden.adapter(name), try Golden.model())
        for method in [CompositionMethod.concatenate, .svd] {
            let composed = try compose(
                [WeightedAdapter(adapter), WeightedAdapter(adapter, weight: -0.5)], method,
                for: model)
            let target = "\(folder.path)/\(method.name)"
            try composed.write(to: target)
            let inspection = AdapterInspection(folder: target, for: model)
            #expect(inspection.refusals.isEmpty)
            #expect(inspection.scales == [1])
            #expect(inspection.byteCount == composed.report.byteCount)
            let read = try AdapterWeights.open(folder: target, name: "read", for: model)
            try expectSame(read, composed.adapter)
            #expect(read.baseModelName == adapter.baseModelName)
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                == ["concatenate", "svd"])
    }

    @Test func aFolderThatIsThereIsLeftAlone() throws {
        let folder = try TemporaryFolder()
        let composed = try compose(
            [WeightedAdapter(try Golden.adapter("all-r8"))], .svd, for: Golden.model())
        let error = #expect(throws: CompositionError.self) { try composed.write(to: folder.path) }
        #expect(error?.code == .notWritten)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test func theReportIsBesideTheAdapter() throws {
        let folder = try TemporaryFolder()
        let composed = try compose(
            [WeightedAdapter(try Golden.adapter("all-r8"), weight: 0.5)], .ties(density: 0.2),
            for: Golden.model())
        try composed.write(to: "\(folder.path)/made")
        let data = try Data(
            contentsOf: URL(fileURLWithPath: "\(folder.path)/made/\(ComposedAdapter.reportName)"))
        let report = try JSONDecoder().decode(CompositionReport.self, from: data)
        #expect(report == composed.report)
        #expect(report.method == "ties" && report.density == 0.2)
        #expect(report.sources.map(\.weight) == [0.5])
        #expect(report.sites.count == 21)
    }

    @Test func ranksStackUnlessALimitIsGiven() throws {
        let model = try Golden.model()
        let two = [
            WeightedAdapter(try Golden.adapter("all-r8")),
            WeightedAdapter(try Golden.adapter("patterned")),
        ]
        let stacked = try compose(two, .concatenate, for: model)
        for (site, factors) in stacked.adapter.sites {
            let ranks = two.compactMap { $0.adapter.sites[site]?.rank }.reduce(0, +)
            let full = min(model.inputSize(of: site.linear), model.outputSize(of: site.linear))
            #expect(factors.rank == min(ranks, full))
        }
        #expect(stacked.report.worst?.relativeError ?? 1 < 1e-6)
        let limited = try compose(two, .concatenate, for: model, rank: 5)
        #expect(limited.report.ranks == [5])
        #expect(limited.report.meanError > 0.01)
        let nearest = try compose(two, .svd, for: model, rank: 5)
        #expect(nearest.report.sites == limited.report.sites)
    }

    @Test func prunedUpdatesGetTheAdaptersRank() throws {
        let two = [
            WeightedAdapter(try Golden.adapter("all-r8")),
            WeightedAdapter(try Golden.adapter("qv-rslora-r4")),
        ]
        let composed = try compose(two, .ties(density: 0.5), for: Golden.model())
        #expect(composed.report.ranks == [8])
        #expect(composed.report.meanError > 0.01 && composed.report.meanError < 1)
    }

    @Test func halfPrecisionIsReportedAsItIsWritten() throws {
        let folder = try TemporaryFolder()
        let model = try Golden.model()
        let two = [
            WeightedAdapter(try Golden.adapter("all-r8"), weight: 0.3),
            WeightedAdapter(try Golden.adapter("wide-r32"), weight: 0.7),
        ]
        let composed = try compose(two, .svd, for: model, type: .bf16)
        let error = try #require(composed.report.worst?.relativeError)
        #expect(error > 1e-4 && error < 0.01)
        try composed.write(to: "\(folder.path)/half")
        let read = try AdapterWeights.open(
            folder: "\(folder.path)/half", name: "half", for: model)
        #expect(read.sites.values.allSatisfy { $0.a.type == .bf16 })
        #expect(read.byteCount == composed.report.byteCount)
        for (site, factors) in read.sites {
            let made = try #require(composed.adapter.sites[site])
            #expect(try factors.a.floats() == made.a.floats())
            #expect(try factors.b.floats() == made.b.floats())
        }
    }

    @Test func settingsOutOfRangeAreRefused() throws {
        let model = OddModel.configuration
        let adapter = WeightedAdapter(try OddModel.adapter("one", seed: 1))
        func code(
            _ adapters: [WeightedAdapter], _ method: CompositionMethod, rank: Int? = nil
        ) -> CompositionError.Code? {
            do {
                _ = try compose(adapters, method, for: model, rank: rank)
                return nil
            } catch {
                return (error as? CompositionError)?.code
            }
        }
        #expect(code([], .svd) == .invalidSetting)
        #expect(code([WeightedAdapter(adapter.adapter, weight: .nan)], .svd) == .invalidSetting)
        #expect(code([WeightedAdapter(adapter.adapter, weight: 1e300)], .svd) == .invalidSetting)
        for density in [0, -1, 1.5, .nan] {
            #expect(code([adapter], .dare(density: density)) == .invalidSetting)
        }
        for rank in [0, -1, 5000] {
            #expect(code([adapter], .svd, rank: rank) == .invalidSetting)
        }
        #expect(code([adapter], .svd, rank: 4096) == nil)
    }

    @Test func aMatrixThatIsTooLargeToPruneIsRefused() throws {
        let product = LowRankProduct(left: Matrix(zeros: 1, 1), right: Matrix(zeros: 1, 1))
        let updates = SiteUpdates(
            site: OddModel.sites[0], outputSize: 1 << 20, inputSize: 1 << 20,
            updates: [SiteUpdates.Update(source: 0, weight: 1, product: product)])
        let error = #expect(throws: CompositionError.self) {
            try PrunedSum(pruning: .magnitude(density: 0.5), electsSigns: true)
                .matrix(of: updates)
        }
        #expect(error?.code == .tooLarge)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import Testing

@testable import Inference

struct MergedModelTests {
    private let folder = Fixtures.goldens.appending(path: "llama-tied-bf16")

    private func largestDifference(_ left: Generation, _ right: Generation) -> Float {
        zip(left.logits, right.logits).map { a, b in
            zip(a, b).map { abs($0 - $1) }.max() ?? 0
        }.max() ?? 0
    }

    /// FNV-1a over the weights of all linear layers.
    private func digest(_ model: PackedModel) -> UInt64 {
        model.linears.reduce(into: 0xCBF2_9CE4_8422_2325) { hash, matrix in
            let words = UnsafeRawBufferPointer(
                start: matrix.weights, count: matrix.byteCount
            ).bindMemory(to: UInt64.self)
            for word in words { hash = (hash ^ word) &* 0x100_0000_01B3 }
        }
    }

    @Test(
        arguments: [(WeightType.f32, Float(2e-4)), (.bf16, 0.4), (.int8, 0.4)],
        ["all-r8", "qv-rslora-r4", "patterned", "wide-r32", "layers-some"])
    func mergedAgreesWithUnmerged(_ precision: (WeightType, Float), name: String) throws {
        let model = try Fixtures.model(folder.appending(path: "base"), precision.0)
        let adapter = try Fixtures.adapter(
            name, in: folder.appending(path: "adapters"), for: model)
        let merged = try MergedModel.build(
            base: model, adapter: adapter, team: ThreadTeam(members: 2))
        let executor = try GreedyDriver.executor(model)
        let prompt: [Int32] = [3, 77, 200, 15, 411, 8, 9, 10, 300]
        var request = TestRequest(prompt: prompt, count: 1)
        let over = try GreedyDriver(executor: executor, weights: .merged(merged)).run([request])
        request.adapters = [AdapterUse(adapter)]
        let beside = try GreedyDriver(executor: executor).run([request])
        #expect(largestDifference(over[0], beside[0]) < precision.1)
    }

    @Test(arguments: WeightType.allCases)
    func mergingAgainAndAgainLeavesThePristineWeightsAlone(type: WeightType) throws {
        let model = try AwkwardModel.packed(type)
        let before = digest(model)
        let adapters = try [3, 16].map { try AwkwardModel.adapter(rank: $0, for: model) }
        let executor = try GreedyDriver.executor(model)
        let request = TestRequest(prompt: AwkwardModel.prompt(20, seed: 1), count: 2)
        let base = try GreedyDriver(executor: executor).run([request])
        var first: [[Float]?] = [nil, nil]
        for round in 0..<4 {
            let merged = try MergedModel.build(
                base: model, adapter: adapters[round % 2], team: executor.team)
            let result = try GreedyDriver(executor: executor, weights: .merged(merged))
                .run([request])
            #expect(first[round % 2] == nil || first[round % 2] == result[0].logits[0])
            #expect(result[0].logits[0] != base[0].logits[0])
            first[round % 2] = result[0].logits[0]
        }
        let after = try GreedyDriver(executor: executor).run([request])
        #expect(after[0].logits == base[0].logits)
        #expect(digest(model) == before)
    }

    @Test(arguments: [(WeightType.f32, Float(2e-4)), (.bf16, 0.05), (.int8, 0.05)])
    func othersAreCorrectedInAMergedBatch(_ precision: (WeightType, Float)) throws {
        let model = try AwkwardModel.packed(precision.0)
        let mine = try AwkwardModel.adapter(rank: 8, for: model)
        let other = try AwkwardModel.adapter(rank: 5, for: model)
        let merged = try MergedModel.build(base: model, adapter: mine, team: ThreadTeam(members: 1))
        let executor = try GreedyDriver.executor(model)
        func requests(_ uses: [[AdapterUse]]) -> [TestRequest] {
            uses.enumerated().map {
                TestRequest(
                    prompt: AwkwardModel.prompt(12, seed: UInt64($0)), adapters: $1, count: 1)
            }
        }
        let unmerged = try GreedyDriver(executor: executor).run(
            requests([[AdapterUse(mine)], [AdapterUse(other)], []]))
        let away = AdapterUse(mine, factor: -1)
        let mixed = try GreedyDriver(executor: executor, weights: .merged(merged)).run(
            requests([[], [away, AdapterUse(other)], [away]]))
        for (left, right) in zip(unmerged, mixed) {
            #expect(largestDifference(left, right) < precision.1)
        }
    }

    @Test(arguments: WeightType.allCases)
    func stepsBetweenTheSlicesChangeNothing(type: WeightType) throws {
        let model = try AwkwardModel.packed(type)
        let adapter = try AwkwardModel.adapter(rank: 5, for: model)
        let executor = try GreedyDriver.executor(model)
        let whole = try MergedModel.build(base: model, adapter: adapter, team: executor.team)
        let build = try MergedModelBuild(
            base: model, adapter: adapter, members: executor.team.memberCount)
        var request = TestRequest(prompt: AwkwardModel.prompt(9, seed: 3), count: 1)
        request.adapters = [AdapterUse(adapter)]
        var merged: MergedModel?
        var steps = 0
        while merged == nil, build.remainingSlices > 0 {
            merged = build.advance(slices: 3, with: executor.team)
            _ = try GreedyDriver(executor: executor).run([request])
            steps += 1
        }
        #expect(steps > 2)
        #expect(build.advance(slices: 3, with: executor.team) == nil, "a copy is given once")
        let copy = try #require(merged)
        for (left, right) in zip(whole.linears, copy.linears) {
            let bytes = [left, right].map {
                [UInt8](UnsafeRawBufferPointer(start: $0.weights, count: $0.byteCount))
            }
            #expect(bytes[0] == bytes[1])
        }
    }

    @Test func onlyTargetedLayersAreCopied() throws {
        let model = try Fixtures.model(folder.appending(path: "base"), .bf16)
        let adapter = try Fixtures.adapter(
            "qv-rslora-r4", in: folder.appending(path: "adapters"), for: model)
        let merged = try MergedModel.build(
            base: model, adapter: adapter, team: ThreadTeam(members: 1))
        for (index, pair) in zip(model.linears, merged.linears).enumerated() {
            let kind = LinearKind.allCases[index % 7]
            #expect((pair.0.weights != pair.1.weights) == [.q, .v].contains(kind))
        }
        #expect(merged.byteCount < model.byteCount / 4)
    }

    @Test func theLibraryHasChosenItsKernels() throws {
        #expect(!BLAS.core.isEmpty)
        #expect(try BLAS.measureGigaflops(size: 32, repetitions: 1) > 0)
        #expect(throws: InferenceError.self) { try BLAS.measureGigaflops(size: 1 << 40) }
    }

    @Test func anotherModelsAdapterIsRefused() throws {
        let models = try (0..<2).map { _ in try AwkwardModel.packed(.bf16) }
        let adapter = try AwkwardModel.adapter(rank: 2, for: models[0])
        let error = #expect(throws: InferenceError.self) {
            try MergedModel.build(base: models[1], adapter: adapter, team: ThreadTeam(members: 1))
        }
        #expect(error?.code == .wrongModel)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import Inference
@testable import ModelLoading

struct MixturePackingTests {
    @Test func aMixtureSaysWhatItIs() throws {
        let model = try AwkwardModel.packed(.bf16)
        let gate = ProbeGate([GatePoint(.blockInput, layer: 0)], experts: 4, seed: 1)
        let mixture = try MixtureFixtures.mixture(gate, ranks: [3, 8, 1, 5], for: model)
        #expect(mixture.isMixture && mixture.gateTraits?.points == gate.traits.points)
        // Experts begin at even ranks.
        #expect(mixture.maximumRank == 4 + 8 + 2 + 5)
        #expect(mixture.sites.count == 14)
        let adapter = try AwkwardModel.adapter(rank: 3, for: model)
        #expect(!adapter.isMixture && adapter.gateTraits == nil)
    }

    /// Wherever an expert does not act, it has no ranks.
    @Test func expertsMayActInDifferentPlaces() throws {
        let model = try AwkwardModel.packed(.bf16)
        let experts = MixtureFixtures.experts([3, 8], for: model)
        let parts: [(AdapterSite) -> Bool] = [
            { $0.layer == 0 && ($0.linear == .q || $0.linear == .v) },
            { $0.linear == .v || $0.linear == .down },
        ]
        let some = zip(experts, parts).map { expert, isPart in
            AdapterWeights(
                name: expert.name, path: nil, sites: expert.sites.filter { isPart($0.key) })
        }
        let mixture = try PackedAdapter(
            mixture: "m", experts: some, gate: FixedGate([0.5]), for: model)
        #expect(mixture.sites.count == 5)
        let group = mixture.group(layer: 0, .queryKeyValue)
        #expect([0, 1, 2].map { group.part($0).rank } == [3, 0, 12])
        let executor = try MixtureFixtures.executor(model)
        func logits(_ uses: [AdapterUse], mask: UInt64?) throws -> Generation {
            try GreedyDriver(executor: executor).run([
                TestRequest(
                    prompt: AwkwardModel.prompt(11, seed: 1), adapters: uses, count: 2, mask: mask)
            ])[0]
        }
        let mixed = try logits([AdapterUse(mixture)], mask: 0)
        let sum = try logits(
            some.map { AdapterUse(try PackedAdapter($0, for: model), factor: 0.5) }, mask: nil)
        let difference = mixed.difference(from: sum)
        #expect(difference < 1e-4)
    }

    @Test func aTeamPacksTheSameAsOneThread() throws {
        let model = try AwkwardModel.packed(.bf16)
        let experts = MixtureFixtures.experts([3, 64, 17], for: model)
        let executor = try MixtureFixtures.executor(model)
        let bits = try [nil, ThreadTeam(members: 3)].map { team in
            let mixture = try PackedAdapter(
                mixture: "m", experts: experts, gate: FixedGate([0.25]), for: model, team: team)
            return try GreedyDriver(executor: executor).run([
                TestRequest(
                    prompt: AwkwardModel.prompt(11, seed: 1), adapters: [AdapterUse(mixture)],
                    count: 2, mask: 0)
            ])[0].bits
        }
        #expect(bits[0] == bits[1])
    }

    @Test func aMixtureCannotBeMerged() throws {
        let model = try AwkwardModel.packed(.bf16)
        let mixture = try MixtureFixtures.mixture(FixedGate([0.25]), for: model)
        let error = #expect(throws: InferenceError.self) {
            try MergedModel.build(base: model, adapter: mixture, team: ThreadTeam(members: 1))
        }
        #expect(error?.code == .notMergeable)
    }

    @Test func thereAreAsManyExpertsAsAMaskHasBits() throws {
        let model = try AwkwardModel.packed(.bf16)
        func pack(_ ranks: [Int]) throws -> PackedAdapter {
            try MixtureFixtures.mixture(FixedGate([0]), ranks: ranks, for: model)
        }
        for ranks in [[], Array(repeating: 1, count: 65), [4096, 1]] {
            let error = #expect(throws: InferenceError.self) { try pack(ranks) }
            #expect(error?.code == .invalidMixture)
        }
        #expect(try pack(Array(repeating: 1, count: 64)).maximumRank == 127)
    }

    private static let faultyTraits: [(String, GateTraits)] = [
        ("no points", GateTraits(points: [])),
        ("negative state", GateTraits(points: [GatePoint(.tokens)], stateFloats: -1)),
        ("vast state", GateTraits(points: [GatePoint(.tokens)], stateFloats: .max)),
        ("a layer too many", GateTraits(points: [GatePoint(.blockInput, layer: 2)])),
        ("a block before all", GateTraits(points: [GatePoint(.blockInput)])),
        ("tokens in a block", GateTraits(points: [GatePoint(.tokens, layer: 0)])),
        ("hidden states in a block", GateTraits(points: [GatePoint(.finalHidden, layer: 1)])),
        ("layers of another model", GateTraits(points: [GatePoint(.tokens, coveringLayers: 3)])),
        (
            "all weights at one point of two",
            GateTraits(points: [
                GatePoint(.tokens, coveringLayers: 2), GatePoint(.blockInput, layer: 0),
            ])
        ),
        (
            "the same point twice",
            GateTraits(points: [GatePoint(.tokens), GatePoint(.tokens)])
        ),
        (
            "points in the wrong order",
            GateTraits(points: [
                GatePoint(.input(.attentionInput), layer: 0), GatePoint(.blockInput, layer: 0),
            ])
        ),
        (
            "later than the first experts",
            GateTraits(points: [GatePoint(.input(.attentionOutput), layer: 0)])
        ),
        (
            "weights of single matrices without a successor",
            GateTraits(points: [
                GatePoint(.input(.attentionInput), layer: 0, isPerMatrix: true)
            ])
        ),
    ]

    @Test(arguments: faultyTraits)
    func aGateThatDoesNotFitIsRefused(name: String, traits: GateTraits) throws {
        final class Faulty: Gate {
            let traits: GateTraits
            init(_ traits: GateTraits) { self.traits = traits }
            func weigh(
                at point: Int, features: Span<Float>, rows: Span<GateRow>,
                states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
            ) {}
        }
        let model = try AwkwardModel.packed(.bf16)
        let error = #expect(throws: InferenceError.self) {
            try MixtureFixtures.mixture(Faulty(traits), for: model)
        }
        #expect(error?.code == .invalidMixture)
        #expect(error?.message.hasPrefix("the gate of mixture mixed ") == true)
    }
}

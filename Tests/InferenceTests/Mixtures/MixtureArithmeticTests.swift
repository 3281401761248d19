// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import Inference
@testable import ModelLoading

/// A mixture computes the weighted sum of its experts, with the weights that its gate gives.
struct MixtureArithmeticTests {
    static let cases = TestedKernels.all.flatMap { kernels in
        WeightType.allCases.map { (kernels, $0) }
    }

    /// Checks that two results differ by no more than the order of their sums lets them, measured
    /// against the effect that the mixture has; inputs of int8 weights are rounded in between.
    private func expectEqual(
        _ mixed: Generation, _ other: Generation, on executor: Executor,
        _ comment: Comment? = nil
    ) throws {
        let effect = mixed.difference(from: try generation([], on: executor))
        let allowed: Float = executor.model.type == .int8 ? 1e-2 : 1e-4
        let difference = mixed.difference(from: other)
        #expect(effect > 1e-3 && difference < allowed * effect, comment)
    }

    private func generation(
        _ uses: [AdapterUse], mask: UInt64? = nil, on executor: Executor, seed: UInt64 = 1
    ) throws -> Generation {
        let request = TestRequest(
            prompt: AwkwardModel.prompt(21, seed: seed), adapters: uses, count: 3, mask: mask)
        return try GreedyDriver(executor: executor).run([request])[0]
    }

    @Test(arguments: cases)
    func equalWeightsAreTheMeanOfTheAdapters(kernels: TestedKernels, type: WeightType) throws {
        let model = try AwkwardModel.packed(type)
        let ranks = [3, 8, 1, 5]
        let executor = try MixtureFixtures.executor(model, kernels: kernels)
        let mixture = try MixtureFixtures.mixture(
            FixedGate([0.25]), ranks: ranks, for: model)
        let mixed = try generation([AdapterUse(mixture)], mask: 0, on: executor)
        let apart = try MixtureFixtures.experts(ranks, for: model).map {
            AdapterUse(try PackedAdapter($0, for: model), factor: 0.25)
        }
        let sum = try generation(apart, on: executor)
        try expectEqual(mixed, sum, on: executor)
    }

    @Test(arguments: cases)
    func aWeightOfOneForOneExpertIsThatAdapter(kernels: TestedKernels, type: WeightType) throws {
        let model = try AwkwardModel.packed(type)
        let executor = try MixtureFixtures.executor(model, kernels: kernels)
        let experts = MixtureFixtures.experts([3, 8, 1, 5], for: model)
        for (index, expert) in experts.enumerated() {
            var values = [Float](repeating: 0, count: 4)
            values[index] = 1
            let mixture = try MixtureFixtures.mixture(FixedGate(values), for: model)
            let mixed = try generation([AdapterUse(mixture)], mask: 0, on: executor)
            let alone = try generation(
                [AdapterUse(PackedAdapter(expert, for: model))], on: executor)
            try expectEqual(mixed, alone, on: executor, "expert \(index)")
        }
    }

    @Test func weightsOfNothingLeaveTheBaseAlone() throws {
        let model = try AwkwardModel.packed(.bf16)
        let executor = try MixtureFixtures.executor(model)
        let mixture = try MixtureFixtures.mixture(FixedGate([0]), for: model)
        let mixed = try generation([AdapterUse(mixture)], mask: 0, on: executor)
        #expect(mixed.bits == (try generation([], on: executor)).bits)
    }

    /// Each linear layer, each expert there: with a weight of one at a single place, the mixture is
    /// the adapter that has nothing but this place.
    @Test(arguments: MatrixGroup.allCases)
    func eachMatrixGetsItsOwnWeights(group: MatrixGroup) throws {
        let model = try AwkwardModel.packed(.f32)
        let executor = try MixtureFixtures.executor(model)
        let experts = MixtureFixtures.experts([3, 8], for: model)
        for (part, kind) in try #require(LinearGroup(group)).kinds.enumerated() {
            for (index, expert) in experts.enumerated() {
                let points = (0..<2).flatMap { layer in
                    MatrixGroup.allCases.map {
                        GatePoint(.input($0), layer: layer, isPerMatrix: true)
                    }
                }
                let mixture = try PackedAdapter(
                    mixture: "single", experts: experts,
                    gate: PlaceGate(points, group: group, part: part, expert: index, experts: 2),
                    for: model)
                let mixed = try generation([AdapterUse(mixture)], mask: 0, on: executor)
                let sites = expert.sites.filter { $0.key.linear == kind }
                let single = AdapterWeights(name: "single", path: nil, sites: sites)
                let alone = try generation(
                    [AdapterUse(PackedAdapter(single, for: model))], on: executor)
                try expectEqual(mixed, alone, on: executor, "\(kind), expert \(index)")
            }
        }
    }

    @Test func weightsOfAllMatricesAtOnceAreThoseOfEachMatrix() throws {
        let model = try AwkwardModel.packed(.bf16)
        let executor = try MixtureFixtures.executor(model)
        let each = (0..<2).flatMap { layer in
            MatrixGroup.allCases.map {
                GatePoint(.input($0), layer: layer, isPerMatrix: true)
            }
        }
        let bits = try [each, [GatePoint(.tokens, coveringLayers: 2)]].map { points in
            let mixture = try MixtureFixtures.mixture(TableGate(points), for: model)
            return try generation([AdapterUse(mixture)], mask: 0, on: executor).bits
        }
        #expect(bits[0] == bits[1])
    }

    @Test(arguments: MixtureFixtures.pointsByName.map(\.0))
    func theOrderOfTheExpertsDoesNotMatter(name: String) throws {
        let points = try #require(MixtureFixtures.pointsByName.first { $0.0 == name }).1
        // The features of ranks depend on the order of the experts, so this probe cannot follow.
        guard !["ranks", "everything"].contains(name) else { return }
        let model = try AwkwardModel.packed(.f32)
        let executor = try MixtureFixtures.executor(model)
        let experts = MixtureFixtures.experts([3, 8, 1, 5], for: model)
        let gate = ProbeGate(points, experts: 4, seed: 9)
        let order = [2, 0, 3, 1]
        func run(_ experts: [AdapterWeights], _ gate: any Gate) throws -> Generation {
            let mixture = try PackedAdapter(
                mixture: "m", experts: experts, gate: gate, for: model)
            return try generation([AdapterUse(mixture)], mask: 0, on: executor)
        }
        let plain = try run(experts, gate)
        let permuted = try run(order.map { experts[$0] }, ProbeGate(gate, order: order))
        let wrong = try run(order.map { experts[$0] }, gate)
        try expectEqual(plain, permuted, on: executor)
        let difference = plain.difference(from: wrong)
        #expect(difference > 0.01)
    }

    @Test(arguments: cases)
    func besideMergedWeightsTheMergedAdapterIsTakenOut(
        kernels: TestedKernels, type: WeightType
    ) throws {
        let model = try AwkwardModel.packed(type)
        let executor = try MixtureFixtures.executor(model, kernels: kernels)
        let merged = try AwkwardModel.adapter(rank: 17, for: model)
        let gate = ProbeGate(
            (0..<2).map { GatePoint(.blockInput, layer: $0) }, experts: 4, seed: 5)
        let mixture = try MixtureFixtures.mixture(gate, for: model)
        let copy = try MergedModel.build(
            base: model, adapter: merged, team: executor.team, instructionSet: kernels.set)
        let prompt = AwkwardModel.prompt(21, seed: 1)
        let request = TestRequest(
            prompt: prompt, adapters: [AdapterUse(merged, factor: -1), AdapterUse(mixture)],
            count: 1, mask: 0)
        let beside = try GreedyDriver(executor: executor, weights: .merged(copy)).run([request])[0]
        let unmerged = try generation([AdapterUse(mixture)], mask: 0, on: executor)
        // Merged weights are rounded to their type: what is taken out is not quite what was added.
        let allowed: Float = type == .f32 ? 2e-3 : 1
        let difference = unmerged.difference(from: beside)
        #expect(difference < allowed)
    }
}

/// Weights that differ from matrix to matrix and are the same for all tokens.
private final class TableGate: Gate {
    let traits: GateTraits

    init(_ points: [GatePoint]) { traits = GateTraits(points: points) }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) {
        let own = traits.points[point]
        let experts = weights.count / rows.count / own.matrices
        for index in weights.indices {
            let (set, expert) = (index / experts % own.matrices, index % experts)
            var matrix = set
            if case .input(let group) = own.reading {
                matrix = own.layer * 7 + group.matrices[set].index
            }
            weights[index] = Float((matrix * 5 + expert * 3) % 11) / 22
        }
    }
}

/// A weight of one for one expert at one linear layer of every block, and zero otherwise.
private final class PlaceGate: Gate {
    let traits: GateTraits
    private let group: MatrixGroup
    private let part: Int
    private let expert: Int
    private let experts: Int

    init(_ points: [GatePoint], group: MatrixGroup, part: Int, expert: Int, experts: Int) {
        traits = GateTraits(points: points)
        self.group = group
        self.part = part
        self.expert = expert
        self.experts = experts
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) {
        let sets = traits.points[point].matrices
        let isHere = traits.points[point].reading == .input(group)
        for index in weights.indices {
            let (set, own) = (index / experts % sets, index % experts)
            weights[index] = isHere && set == part && own == expert ? 1 : 0
        }
    }
}

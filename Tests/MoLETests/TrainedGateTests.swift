// SPDX-License-Identifier: Apache-2.0

import MoLE
import PolicyKit
import PolicyKitTesting
import Testing

/// What a trained gate promises besides its formulas.
struct TrainedGateTests {
    private let fixture = GateFixture()

    private func gate(
        _ configuration: MoLEConfiguration, _ parameters: MoLEParameters
    ) throws -> TrainedGate {
        try TrainedGate(configuration, parameters, for: fixture.mixture, from: fixture)
    }

    private func zeros(_ configuration: MoLEConfiguration) -> MoLEParameters {
        MoLEParameters(zerosFor: configuration, in: fixture.mixture, features: fixture.width(of:))
    }

    private static var allShapes: [MoLEConfiguration] {
        let fixture = GateFixture()
        return MoLEConfiguration.Pooling.allCases.flatMap { pooling in
            MoLEConfiguration.Granularity.allCases.flatMap { granularity in
                [0, 5].map { hidden in
                    var configuration = fixture.configuration
                    configuration.pooling = pooling
                    configuration.granularity = granularity
                    configuration.layer = granularity == .network ? 1 : 0
                    configuration.hidden = hidden
                    configuration.poolSpan = hidden > 0 ? .prompt : .sequence
                    return configuration
                }
            }
        }.filter { $0.contradiction == nil }
    }

    @Test(arguments: allShapes)
    func zeroParametersGiveExactlyOneOverN(configuration: MoLEConfiguration) throws {
        let gate = try gate(configuration, zeros(configuration))
        for (index, point) in gate.traits.points.enumerated() {
            let sequence = GateSequence(5, prompt: 3, width: fixture.width(of: point), seed: 1)
            for weights in try sequence.weights(of: gate, at: index) {
                #expect(weights.allSatisfy { $0 == 1 / 3 as Float })
            }
        }
    }

    @Test func aMaskLeavesTheOthersTheirProportions() throws {
        let configuration = fixture.configuration
        let gate = try gate(configuration, fixture.parameters(of: configuration, seed: 2))
        let whole = try GateSequence(5, prompt: 3, width: GateFixture.hidden, seed: 3)
            .weights(of: gate, at: 1)
        let masked = try GateSequence(
            5, prompt: 3, width: GateFixture.hidden, seed: 3, masked: 0b010
        )
        .weights(of: gate, at: 1)
        for (whole, masked) in zip(whole, masked) {
            let (ratio, before) = (masked[0] / masked[2], whole[0] / whole[2])
            let sum = masked[0] + masked[2]
            #expect(masked[1] == 0)
            #expect(abs(sum - 1) <= 1e-6)
            #expect(abs(ratio / before - 1) <= 1e-5)
        }
    }

    @Test func onlyOneExpertLeftWeighsExactlyOne() throws {
        let configuration = fixture.configuration
        let gate = try gate(configuration, fixture.parameters(of: configuration, seed: 2))
        let sequence = GateSequence(4, prompt: 2, width: GateFixture.hidden, seed: 3, masked: 0b101)
        for weights in try sequence.weights(of: gate, at: 0) { #expect(weights == [0, 1, 0]) }
    }

    @Test func aPromptKeepsItsWeightsForAllThatFollows() throws {
        var configuration = fixture.configuration
        configuration.pooling = .prompt
        let gate = try gate(configuration, fixture.parameters(of: configuration, seed: 2))
        #expect(gate.traits.needsWholePrompt)
        let sequence = GateSequence(9, prompt: 4, width: GateFixture.hidden, seed: 3)
        let weights = try sequence.weights(of: gate, at: 0)
        #expect(Set(weights).count == 1)
        #expect(Set(weights[0]).count == 3)
    }

    @Test func aPoolOfThePromptStaysAtItsEnd() throws {
        var configuration = fixture.configuration
        configuration.pooling = .causal
        configuration.poolSpan = .prompt
        let gate = try gate(configuration, fixture.parameters(of: configuration, seed: 2))
        #expect(!gate.traits.needsWholePrompt)
        let sequence = GateSequence(9, prompt: 4, width: GateFixture.hidden, seed: 3)
        let weights = try sequence.weights(of: gate, at: 0)
        #expect(Set(weights.prefix(4)).count == 4)
        #expect(Set(weights.suffix(6)).count == 1)
    }

    @Test func allMatricesOfABlockHaveTheWeightsGivenAtTheFirst() throws {
        var configuration = fixture.configuration
        configuration.granularity = .blocksAtOnce
        configuration.pooling = .causal
        let gate = try gate(configuration, fixture.parameters(of: configuration, seed: 2))
        #expect(gate.traits.points == [GatePoint(.blockInput, coveringLayers: 2)])
        let sequence = GateSequence(3, prompt: 2, width: GateFixture.hidden, seed: 3)
        for weights in try sequence.weights(of: gate, at: 0) {
            let sets = (0..<14).map { Array(weights[$0 * 3..<$0 * 3 + 3]) }
            #expect(Set(sets.prefix(7)).count == 1)
            #expect(Set(sets.suffix(7)).count == 1)
            #expect(sets[0] != sets[13])
        }
    }

    @Test func aPromptInPiecesIsAnError() throws {
        var configuration = fixture.configuration
        configuration.pooling = .prompt
        let gate = try gate(configuration, fixture.parameters(of: configuration, seed: 2))
        var sequence = GateSequence(4, prompt: 4, width: GateFixture.hidden, seed: 3)
        sequence.rows.removeLast()
        sequence.features.removeLast(GateFixture.hidden)
        let error = #expect(throws: PolicyError.self) { try sequence.weights(of: gate, at: 0) }
        #expect(error?.description.contains("4 tokens came in pieces") == true)
    }

    @Test func featuresOfAnotherWidthAreAnError() throws {
        let configuration = fixture.configuration
        let gate = try gate(configuration, zeros(configuration))
        let sequence = GateSequence(2, prompt: 1, width: 5, seed: 3)
        let error = #expect(throws: PolicyError.self) { try sequence.weights(of: gate, at: 0) }
        #expect(error?.description.contains("10 features of 2 rows, not 12 of each") == true)
    }

    @Test(arguments: allShapes, [1, 2] as [UInt64])
    func aTrainedGateConforms(configuration: MoLEConfiguration, seed: UInt64) {
        let found = PolicyConformance(seed: seed, rounds: 200).gating { _ in
            RandomlyTrained(configuration, seed: seed)
        }
        #expect(found == [])
    }

    // MARK: - Gates that do not fit

    private func refusal(
        _ change: (inout MoLEConfiguration, inout MoLEParameters) -> Void
    ) -> String? {
        var configuration = fixture.configuration
        var parameters = zeros(configuration)
        change(&configuration, &parameters)
        return #expect(throws: PolicyError.self) { try gate(configuration, parameters) }?
            .description
    }

    @Test func anotherOrderOfTheExpertsNamesBoth() throws {
        let refusal = try #require(
            refusal { configuration, _ in configuration.experts.swapAt(0, 1) })
        #expect(refusal.contains("french, roman, date"))
        #expect(refusal.contains("the mixture has roman, french, date"))
    }

    @Test func anExpertWithOtherWeightsIsNamed() throws {
        let refusal = try #require(
            refusal { configuration, _ in configuration.experts[1].sha256 = "x" })
        #expect(refusal.contains("other weights of the expert 'french'"))
        #expect(refusal.contains("digest of french"))
    }

    @Test func tensorsThatDoNotFitAreNamed() {
        let name = "layers.1.block.gate.weight"
        let cases: [(String, (inout MoLEParameters) -> Void)] = [
            ("'\(name)' is missing", { $0.tensors[name] = nil }),
            (
                "'\(name)' has the shape [3, 13], not [3, 12]",
                {
                    $0.tensors[name] = GateTensor(
                        shape: [3, 13], values: Array(repeating: 0, count: 39))
                }
            ),
            (
                "'\(name)' has values that are not finite",
                { $0.tensors[name]?.values[7] = .nan }
            ),
            (
                "'layers.0.block.log_tau' is 21.0",
                { $0.tensors["layers.0.block.log_tau"]?.values[0] = 21 }
            ),
            (
                "'layers.2.block.bias' is not one of this gate",
                { $0.tensors["layers.2.block.bias"] = GateTensor(shape: [1], values: [0]) }
            ),
        ]
        for (words, change) in cases {
            let refusal = refusal { change(&$1) }
            #expect(refusal?.contains(words) == true, "\(refusal ?? "accepted")")
        }
    }

    @Test func aLayerThatTheModelHasNotIsRefused() {
        let refusal = refusal { configuration, _ in
            configuration.granularity = .network
            configuration.layer = 2
        }
        #expect(refusal?.contains("'layer' is 2, but the model has 2 layers") == true)
    }

    @Test func aScalarTemperatureMayHaveNoDimension() throws {
        let configuration = fixture.configuration
        var parameters = zeros(configuration)
        parameters.tensors["layers.0.block.log_tau"] = GateTensor(shape: [], values: [0.5])
        _ = try gate(configuration, parameters)
    }
}

/// Gates of one shape with random tensors, for whatever mixture comes.
private final class RandomlyTrained: GatingPolicy {
    typealias Parameters = NoParameters

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "randomly-trained", version: "1.0.0", summary: "A test.")
    }

    private var shape = MoLEConfiguration(experts: [])
    private var seed: UInt64 = 0

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}

    init(_ shape: MoLEConfiguration, seed: UInt64) {
        self.shape = shape
        self.seed = seed
    }

    func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) -> any Gate {
        var configuration = shape
        configuration.experts = mixture.experts.map {
            MoLEConfiguration.Expert(name: $0.name, sha256: $0.digest, rank: 1)
        }
        configuration.layer = configuration.granularity == .network ? mixture.layers - 1 : 0
        var parameters = MoLEParameters(zerosFor: configuration, in: mixture) { point in
            mixture.width(of: point) ?? mixture.hiddenSize
        }
        var generator = SeededGenerator(seed: seed)
        for (name, tensor) in parameters.tensors.sorted(by: { $0.key < $1.key }) {
            parameters.tensors[name]?.values = tensor.values.map { _ in
                Float.random(in: -1...1, using: &generator)
            }
        }
        return try TrainedGate(configuration, parameters, for: mixture, from: sources)
    }
}

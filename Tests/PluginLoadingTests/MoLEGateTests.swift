// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginLoading

struct MoLEGateTests {
    private let policies: BuiltPolicies
    private let mixture = MixtureDescription(["roman", "french"], hiddenSize: 2)

    init() throws { policies = try BuiltPolicies() }

    /// A gate of the mixture that looks at tokens alone.
    private var sources: GateSources {
        var sources = GateSources()
        sources.jsonFiles["mole_config.json"] = .object([
            "format": .string("mole/1"), "pooling": .string("token"), "eps": .number(0),
            "experts": .array(
                mixture.experts.map {
                    .object(["name": .string($0.name), "sha256": .string($0.digest)])
                }),
        ])
        sources.tensorFiles["mole_gate.safetensors"] = [
            "layers.0.block.gate.weight": GateTensor(shape: [2, 2], values: [1, 0, 0, 1]),
            "layers.0.block.bias": GateTensor(shape: [2], values: [0, 1]),
            "layers.0.block.log_tau": GateTensor(shape: [1], values: [0]),
        ]
        return sources
    }

    private func gate(
        _ values: [String: ParameterValue] = ["gate": .string("/gates/everything")],
        from sources: GateSources
    ) throws -> any Gate {
        try policies.gating("mole-gate", values).gate(for: mixture, from: sources)
    }

    /// (3, 4) has the root mean square 5/√2, so that x̂ = (0.6, 0.8)·√2; the logits are 0.6·√2 and
    /// 0.8·√2 + 1, and the weights 1 / (1 + e^±(1 + 0.2·√2)).
    @Test func weightsComeFromTheFiles() throws {
        let gate = try gate(from: sources)
        #expect(gate.traits.points == [GatePoint(.blockInput, layer: 0)])
        let weights = try gate.weights(features: [[3, 4]], experts: 2)[0]
        #expect(areClose(weights, [0.217_066_7, 0.782_933_3]), "\(weights)")
    }

    @Test func theFolderIsTheParameter() throws {
        let policy = try policies.gating("mole-gate", ["gate": .string("/gates/everything")])
        #expect(policy.folder == ParameterPath("/gates/everything"))
        #expect(try policies.gating("mole-gate").folder == nil)
    }

    private func refusal(_ change: (inout GateSources) -> Void) -> String {
        var sources = sources
        change(&sources)
        let error = #expect(throws: PolicyError.self) { try gate(from: sources) }
        return error?.description ?? ""
    }

    @Test func missingFilesAreNamed() {
        let configuration = refusal { $0.jsonFiles = [:] }
        #expect(configuration.contains("there is no mole_config.json in '/gates/everything'"))
        let tensors = refusal { $0.tensorFiles = [:] }
        #expect(tensors.contains("there is no mole_gate.safetensors in '/gates/everything'"))
        let error = #expect(throws: PolicyError.self) { try gate([:], from: GateSources()) }
        #expect(error?.description.contains("the parameter 'gate' is not set") == true)
    }

    @Test func aFaultOfTheConfigurationNamesTheFile() {
        let refusal = refusal {
            $0.jsonFiles["mole_config.json"] = .object(["format": .string("x")])
        }
        #expect(refusal.contains("mole_config.json: 'format' is 'x'"))
    }

    @Test func aGateForOtherExpertsIsRefused() throws {
        let other = MixtureDescription(["french", "roman"], hiddenSize: 2)
        let policy = try policies.gating("mole-gate", ["gate": .string("/gates/everything")])
        let error = #expect(throws: PolicyError.self) {
            try policy.gate(for: other, from: sources)
        }
        let words = error?.description ?? ""
        #expect(words.contains("trained for the experts roman, french") == true)
        #expect(words.contains("the mixture has french, roman") == true)
    }

    @Test func aGateForOtherWeightsIsRefused() throws {
        var other = mixture
        other.experts[1].digest = "another"
        let policy = try policies.gating("mole-gate", ["gate": .string("/gates/everything")])
        let error = #expect(throws: PolicyError.self) {
            try policy.gate(for: other, from: sources)
        }
        #expect(error?.description.contains("other weights of the expert 'french'") == true)
    }
}

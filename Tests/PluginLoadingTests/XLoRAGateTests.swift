// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import PluginLoading

struct XLoRAGateTests {
    private let policies: BuiltPolicies
    private let mixture = MixtureDescription(
        ["a", "b", "c"], layers: 2, hiddenSize: 2, on: [.q, .v])
    private static let prefix = "base_model.model.internal_xlora_classifier.layers"

    init() throws { policies = try BuiltPolicies() }

    /// A classifier of depth 1 whose logits for (0.2, -0.4) are 0.2, 0.1 and -0.7.
    private var sources: GateSources {
        var sources = GateSources()
        sources.jsonFiles["adapter_config.json"] = .object([
            "peft_type": .string("XLORA"), "hidden_size": .number(2),
            "adapters": .object(["a": .string("x"), "b": .string("y"), "c": .string("z")]),
            "xlora_depth": .number(1), "task_type": .string("CAUSAL_LM"),
        ])
        sources.tensorFiles["adapter_model.safetensors"] = [
            "\(Self.prefix).0.weight": GateTensor(shape: [3, 2], values: [1, 0, 0, 1, 1, 1]),
            "\(Self.prefix).0.bias": GateTensor(shape: [3], values: [0, 0.5, -0.5]),
        ]
        return sources
    }

    private func sources(setting members: [String: FileValue]) -> GateSources {
        var sources = sources
        guard case .object(var file)? = sources.jsonFiles["adapter_config.json"] else {
            return sources
        }
        file.merge(members) { $1 }
        sources.jsonFiles["adapter_config.json"] = .object(file)
        return sources
    }

    private func gate(
        _ sources: GateSources, _ values: [String: ParameterValue] = [:]
    ) throws -> any Gate {
        var values = values
        values["gate"] = .string("/gates/x")
        return try policies.gating("x-lora-gate", values).gate(for: mixture, from: sources)
    }

    private static func softmax(_ logits: [Double], temperature: Double = 1) -> [Double] {
        let powers = logits.map { exp($0 / temperature) }
        return powers.map { $0 / powers.reduce(0, +) }
    }

    private static let whole = softmax([0.2, 0.1, -0.7])

    /// What PEFT's layers do with the logits, setting by setting.
    @Test(
        arguments: [
            ([:], 0, whole),
            ([:], 0b010, [softmax([0.2, -0.7])[0], 0, softmax([0.2, -0.7])[1]]),
            (
                ["softmax_temperature": .number(0.5), "global_scaling_weight": .number(2)], 0,
                softmax([0.2, 0.1, -0.7], temperature: 0.5).map { 2 * $0 }
            ),
            (["top_k_lora": .number(2)], 0, [whole[0], whole[1], 0]),
            (["enable_softmax": .boolean(false)], 0, [0.2, 0.1, -0.7]),
            (["enable_softmax": .boolean(false)], 0b001, [0, 0.1, -0.7]),
            (
                ["enable_softmax": .boolean(false), "top_k_lora": .number(1)], 0, [0.2, 0, 0]
            ),
            (
                [
                    "enable_softmax": .boolean(false), "enable_softmax_topk": .boolean(true),
                    "top_k_lora": .number(2),
                ], 0, softmax([0.2, 0.1]) + [0]
            ),
        ] as [([String: FileValue], UInt64, [Double])])
    func scalingsAreThoseOfPEFT(
        members: [String: FileValue], masked: UInt64, expected: [Double]
    ) throws {
        let gate = try gate(sources(setting: members))
        #expect(gate.traits.points == [GatePoint(.finalHidden)])
        let weights = try gate.weights(features: [[0.2, -0.4]], masked: masked, experts: 3)[0]
        #expect(areClose(weights, expected), "\(weights)")
    }

    /// The layers that the classifier counts are the linear layers with an expert: here the queries
    /// and values of both blocks, which lie at 0, 2, 7 and 9 of all matrices.
    @Test func layerwiseScalingsGoToTheMatricesInTheirOrder() throws {
        var sources = sources(setting: ["layerwise_scalings": .boolean(true)])
        let biases = (0..<12).map { Float($0 * $0) / 50 }
        sources.tensorFiles["adapter_model.safetensors"] = [
            "\(Self.prefix).0.weight": GateTensor(
                shape: [12, 2], values: Array(repeating: 0, count: 24)),
            "\(Self.prefix).0.bias": GateTensor(shape: [12], values: biases),
        ]
        let gate = try gate(sources)
        let point = GatePoint(.finalHidden, coveringLayers: 2)
        #expect(gate.traits.points == [point])
        #expect(point.matrices == 14)
        let weights = try gate.weights(features: [[1, 1]], experts: 3)[0]
        var used: Set<Int> = []
        let places = [(0, ModelMatrix.q), (0, .v), (1, .q), (1, .v)]
        for (layer, place) in places.enumerated() {
            let set = point.set(of: MatrixPlace(layer: place.0, matrix: place.1))
            used.insert(set)
            let expected = Self.softmax((0..<3).map { Double(biases[layer * 3 + $0]) })
            #expect(areClose(Array(weights[set * 3..<(set + 1) * 3]), expected))
        }
        #expect(used == [0, 2, 7, 9])
        for set in 0..<14 where !used.contains(set) {
            #expect(Array(weights[set * 3..<(set + 1) * 3]) == [0, 0, 0])
        }
    }

    /// (0.2, -0.4) becomes (0.2, 0) behind the ReLU: the logits are 0.2, 0.5 and -0.3. The numbers
    /// between those of the layers are the ReLU's and the dropout's.
    @Test func aDeeperClassifierHasAReLUBetweenItsLayers() throws {
        var sources = sources(setting: ["xlora_depth": .number(2)])
        sources.tensorFiles["adapter_model.safetensors"] = [
            "\(Self.prefix).0.weight": GateTensor(shape: [2, 2], values: [1, 0, 0, 1]),
            "\(Self.prefix).0.bias": GateTensor(shape: [2], values: [0, 0]),
            "\(Self.prefix).3.weight": GateTensor(shape: [3, 2], values: [1, 0, 0, 1, 1, 1]),
            "\(Self.prefix).3.bias": GateTensor(shape: [3], values: [0, 0.5, -0.5]),
        ]
        let weights = try gate(sources).weights(features: [[0.2, -0.4]], experts: 3)[0]
        #expect(areClose(weights, Self.softmax([0.2, 0.5, -0.3])), "\(weights)")
    }

    private func refusal(_ sources: GateSources, _ values: [String: ParameterValue] = [:]) -> String
    {
        let error = #expect(throws: PolicyError.self) { try gate(sources, values) }
        return error?.description ?? ""
    }

    @Test(
        arguments: [
            (["peft_type": .string("LORA")], "adapter_config.json: 'peft_type' is not XLORA"),
            (["adapters": .object([:])], "'adapters' does not name 1 to 64 adapters"),
            (["hidden_size": .null], "'hidden_size' is missing"),
            (["hidden_size": .number(3)], "is for the hidden size 3; the model's is 2"),
            (["softmax_temperature": .number(0)], "'softmax_temperature' is no number from"),
            (["enable_softmax": .string("no")], "'enable_softmax' is neither true nor false"),
            (["xlora_depth": .number(2)], "has 1 linear layers; 'xlora_depth' is 2"),
            (["layerwise_scalings": .boolean(true)], "this mixture needs 2 to 12"),
            (
                ["adapters": .object(["a": .null, "b": .null, "d": .null])],
                "was trained for a, b, d; the mixture has a, b, c"
            ),
        ] as [([String: FileValue], String)])
    func aConfigurationThatDoesNotFitIsRefused(members: [String: FileValue], words: String) {
        let refusal = refusal(sources(setting: members))
        #expect(refusal.contains(words), "\(refusal)")
    }

    @Test(arguments: [
        ("layers.0.weight", [3, 3], "layer 0"), ("layers.0.bias", [4], "4 biases"),
        ("layers.1.bias", [3], "1 linear layers"),
        ("other.0.weight", [3, 2], "none of a classifier"),
        ("layers.0.scale", [3], "none of a classifier"),
    ])
    func tensorsThatDoNotFitAreRefused(name: String, shape: [Int], words: String) {
        var sources = sources
        let full = "base_model.model.internal_xlora_classifier.\(name)"
        sources.tensorFiles["adapter_model.safetensors"]?[full] = GateTensor(
            shape: shape, values: Array(repeating: 0, count: shape.reduce(1, *)))
        let refusal = refusal(sources)
        #expect(refusal.contains(words) || refusal.contains("the classifier maps 3"), "\(refusal)")
    }

    @Test func missingFilesAreNamed() {
        #expect(refusal(GateSources()).contains("there is no adapter_config.json in '/gates/x'"))
        var sources = sources
        sources.tensorFiles = [:]
        #expect(refusal(sources).contains("there is no adapter_model.safetensors"))
    }

    /// PEFT sorts names when it writes; only the manifest's author knows the order of the training.
    @Test func anotherOrderMustBeVouchedFor() throws {
        let other = MixtureDescription(["c", "a", "b"], layers: 2, hiddenSize: 2, on: [.q, .v])
        let values: [String: ParameterValue] = ["gate": .string("/gates/x")]
        let careful = try policies.gating("x-lora-gate", values)
        let error = #expect(throws: PolicyError.self) {
            try careful.gate(for: other, from: sources)
        }
        #expect(error?.description.contains("set 'trustOrder'") == true)
        let trusting = try policies.gating(
            "x-lora-gate", values.merging(["trustOrder": .boolean(true)]) { $1 })
        _ = try trusting.gate(for: other, from: sources)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

@testable import PluginLoading

struct StaticWeightsTests {
    private let policies: BuiltPolicies
    private let mixture = MixtureDescription(["roman", "french", "date", "add"])

    init() throws { policies = try BuiltPolicies() }

    private static func listed(_ weights: String) -> [String: ParameterValue] {
        ["mode": .string("listed"), "weights": .string(weights)]
    }

    @Test(
        arguments: [
            (["mode": .string("linear")], 0, [1, 1, 1, 1]),
            (["mode": .string("linear")], 0b0110, [1, 0, 0, 1]),
            ([:], 0, [0.25, 0.25, 0.25, 0.25]),
            ([:], 0b0001, [0, 1.0 / 3, 1.0 / 3, 1.0 / 3]),
            ([:], 0b1011, [0, 0, 1, 0]),
            ([:], 0b1111, [0, 0, 0, 0]),
            (listed("0.5, 0.25,0.25 1"), 0, [0.5, 0.25, 0.25, 1]),
            (listed("0.5, 0.25,0.25 1"), 0b1000, [1, 0.5, 0.5, 0]),
            (listed("1 -1 0.5 0"), 0b0001, [0, -1, 0.5, 0]),
        ] as [([String: ParameterValue], UInt64, [Double])])
    func weightsAreTheSameForAllTokens(
        values: [String: ParameterValue], masked: UInt64, expected: [Double]
    ) throws {
        let gate = try policies.gating("static-weights", values)
            .gate(for: mixture, from: GateSources())
        let found = try gate.weights(features: [[], [], []], masked: masked, experts: 4)
        #expect(found.count == 3)
        for weights in found { #expect(areClose(weights, expected), "\(weights)") }
    }

    @Test(arguments: [
        (listed(""), "the mode is 'listed', but 'weights' is empty"),
        (["weights": .string("1 2")], "only for the mode 'listed', not for 'normalized'"),
        (listed("1, two"), "'two' in 'weights' is no number"),
        (listed("1, nan"), "'nan' in 'weights' is no number"),
        (listed("1, 1e9"), "'1e9' in 'weights' is no number"),
    ])
    func contradictionsAreRefused(values: [String: ParameterValue], words: String) {
        let error = #expect(throws: PluginError.self) {
            try policies.gating("static-weights", values)
        }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func aListOfAnotherLengthNamesTheExperts() throws {
        let policy = try policies.gating("static-weights", Self.listed("1, 2"))
        let error = #expect(throws: PolicyError.self) {
            try policy.gate(for: mixture, from: GateSources())
        }
        #expect(
            error?.description.contains("2 numbers for 4 experts: roman, french, date, add") == true
        )
    }

    @Test func everyModeConforms() {
        for mode in ["linear", "normalized"] {
            let found = PolicyConformance(seed: 4).gating { _ in
                try policies.gating("static-weights", ["mode": .string(mode)])
            }
            #expect(found == [])
        }
    }
}

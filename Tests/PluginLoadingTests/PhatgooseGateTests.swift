// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import PluginLoading

struct PhatgooseGateTests {
    private let policies: BuiltPolicies
    private let mixture = MixtureDescription(["a", "b", "c"], hiddenSize: 4, on: [.o])

    init() throws { policies = try BuiltPolicies() }

    private static let vectors: [[Double]] = [[1, 2, 3, -1], [0, 5, -2, 1], [4, 1, 1, 0]]

    private var sources: GateSources {
        var sources = GateSources()
        sources.expertFiles["phatgoose_gate.safetensors"] = Self.vectors.map { vector in
            ["layers.0.o.gate": GateTensor(shape: [4], values: vector.map { Float($0) })]
        }
        return sources
    }

    private static func normalised(_ values: [Double]) -> [Double] {
        let mean = values.reduce(0, +) / Double(values.count)
        let variance =
            values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        return values.map { ($0 - mean) / (variance + 1e-5).squareRoot() }
    }

    /// LN(x) · LN(v) / √d of each expert.
    private static func logits(_ input: [Double]) -> [Double] {
        vectors.map { vector in
            zip(normalised(input), normalised(vector)).reduce(0) { $0 + $1.0 * $1.1 } / 2
        }
    }

    private static func softmax(_ logits: [Double], keeping kept: Set<Int>) -> [Double] {
        let powers = logits.indices.map { kept.contains($0) ? exp(logits[$0]) : 0 }
        return powers.map { $0 / powers.reduce(0, +) }
    }

    @Test func theTwoMostAlikeShareTheWeight() throws {
        let gate = try policies.gating("phatgoose-gate").gate(for: mixture, from: sources)
        #expect(
            gate.traits.points
                == [GatePoint(.input(.attentionOutput), layer: 0, isPerMatrix: true)])
        for input in [[3, 1, 2, -8], [100, 104, 97, 99], [0, 0, 0, 1]] as [[Double]] {
            let logits = Self.logits(input)
            let order = logits.indices.sorted { logits[$0] > logits[$1] }
            let weights = try gate.weights(features: [input.map { Float($0) }], experts: 3)[0]
            let expected = Self.softmax(logits, keeping: Set(order.prefix(2)))
            #expect(areClose(weights, expected, within: 1e-5), "\(weights)")
            let masked = try gate.weights(
                features: [input.map { Float($0) }], masked: 1 << UInt64(order[0]), experts: 3)[0]
            let others = Self.softmax(logits, keeping: Set(order.dropFirst()))
            #expect(areClose(masked, others, within: 1e-5), "\(masked)")
        }
    }

    @Test func allMayShareIt() throws {
        let gate = try policies.gating(
            "phatgoose-gate", ["topK": .integer(8), "temperature": .number(0.5)]
        ).gate(for: mixture, from: sources)
        let logits = Self.logits([3, 1, 2, -8]).map { $0 * 2 }
        let weights = try gate.weights(features: [[3, 1, 2, -8]], experts: 3)[0]
        #expect(areClose(weights, Self.softmax(logits, keeping: [0, 1, 2])), "\(weights)")
    }

    private func refusal(_ change: (inout [[String: GateTensor]?]) -> Void) -> String {
        var sources = sources
        var files = sources.expertFiles["phatgoose_gate.safetensors"] ?? []
        change(&files)
        sources.expertFiles["phatgoose_gate.safetensors"] = files
        let error = #expect(throws: PolicyError.self) {
            try policies.gating("phatgoose-gate").gate(for: mixture, from: sources)
        }
        return error?.description ?? ""
    }

    @Test func filesThatDoNotFitNameTheExpert() {
        let name = "layers.0.o.gate"
        let vector = GateTensor(shape: [4], values: [1, 2, 3, 4])
        let cases: [(String, (inout [[String: GateTensor]?]) -> Void)] = [
            ("there is no phatgoose_gate.safetensors in the folder of 'b'", { $0[1] = nil }),
            ("of 'c' has no tensor 'layers.0.o.gate'", { $0[2] = [:] }),
            ("of 'a' has 'layers.0.q.gate', but", { $0[0]?["layers.0.q.gate"] = vector }),
            (
                "'\(name)' of 'a' is no vector",
                { $0[0]?[name] = GateTensor(shape: [1, 4], values: [1, 2, 3, 4]) }
            ),
            ("'\(name)' of 'b' is no vector", { $0[1]?[name]?.values[0] = .infinity }),
            (
                "the gate vectors of layer 0 differ in length",
                { $0[1]?[name] = GateTensor(shape: [3], values: [1, 2, 3]) }
            ),
        ]
        for (words, change) in cases {
            let refusal = refusal(change)
            #expect(refusal.contains(words), "\(refusal)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

extension PolicyTemplate {
    static let gating = PolicyTemplate(
        summary: "Lets each expert of a mixture count less than the one before it.",
        parameter: "decay", manifestValue: "0.8", ends: [".number(0.01)", ".number(1)"],
        conformance: "GatingPolicy",
        declaration: """
            @Parameter("What an expert counts beside the one before it.", in: 0.01...1)
            var decay: Double = 0.5
            """,
        property: "decay: Double",
        members: """
            /// Asked once for each mixture. `sources` reads the files of a trained gate.
            func gate(
                for mixture: MixtureDescription, from sources: any MixtureSources
            ) throws(PolicyError) -> any Gate {
                var weight = 1.0
                let weights = mixture.experts.map { _ in
                    defer { weight *= decay }
                    return Float(weight)
                }
                return DecayingGate(weights)
            }
            """,
        others: """

            /// Asked in the middle of forward passes, perhaps by several replicas at once: it never changes.
            private final class DecayingGate: Gate {
                private let weights: [Float]

                init(_ weights: [Float]) { self.weights = weights }

                /// One set of weights for all layers; nothing but the tokens is looked at.
                var traits: GateTraits { GateTraits(points: [GatePoint(.tokens)]) }

                func weigh(
                    at point: Int, features: Span<Float>, rows: Span<GateRow>,
                    states: inout MutableSpan<Float>, weights answer: inout MutableSpan<Float>
                ) {
                    for row in rows.indices {
                        // What a request leaves out counts nothing; the others then add up to 1.
                        let isKept = weights.indices.map { rows[row].masked >> UInt64($0) & 1 == 0 }
                        let sum = weights.indices.reduce(Float(0)) { isKept[$1] ? $0 + weights[$1] : $0 }
                        for expert in weights.indices {
                            answer[row * weights.count + expert] =
                                isKept[expert] ? weights[expert] / sum : 0
                        }
                    }
                }
            }

            """,
        promises: """

            @Test(arguments: [(0, [2 / 3, 1 / 3]), (1, [0, 1])] as [(UInt64, [Float])])
            func theFirstExpertCountsMost(masked: UInt64, expected: [Float]) throws {
                let gate = try POLICY(parameters: .init(), seed: 1).gate(
                    for: MixtureDescription(
                        name: "pair", layers: 1, hiddenSize: 4,
                        experts: ["a", "b"].map { MixtureExpert(name: $0, digest: $0, ranks: [:]) }),
                    from: NoFiles())
                let row = GateRow(token: 1, position: 0, promptTokens: 1, ordinal: 1, masked: masked)
                var (states, weights): ([Float], [Float]) = ([], [0, 0])
                var statesSpan = states.mutableSpan
                var weightsSpan = weights.mutableSpan
                try gate.weigh(
                    at: 0, features: [Float]().span, rows: [row].span, states: &statesSpan,
                    weights: &weightsSpan)
                #expect(zip(weights, expected).allSatisfy { abs($0 - $1) < 1e-6 })
            }

            private struct NoFiles: MixtureSources {
                func json(_ file: String) -> FileValue? { nil }
                func tensors(_ file: String) -> [String: GateTensor]? { nil }
                func tensors(_ file: String, ofExpert expert: Int) -> [String: GateTensor]? { nil }
                func factors(
                    ofExpert expert: Int, at place: MatrixPlace
                ) -> (down: GateTensor, up: GateTensor, scale: Float)? { nil }
            }
            """)
}

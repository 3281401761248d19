// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// What the gate of a mixture has made of one prompt and the greedy answer to it.
nonisolated package struct GateExplanation: Codable, Sendable {
    /// A token that was computed.
    package struct Token: Codable, Sendable {
        package var id: Int
        package var text: String
        package var isPrompt: Bool
    }

    /// A depth of the model for which the gate gave weights.
    package struct Depth: Codable, Sendable {
        /// `block 3`, or `all blocks`.
        package var name: String
        /// What is read there, as `blockInput`.
        package var reading: String
        /// For each token what each expert counts, the mean over matrices that differ.
        package var weights: [[Double]]
        /// The mean entropy over the tokens, in shares of that of equal weights: 0 where one expert
        /// has all, 1 where all have the same.
        package var entropy: Double
        /// For each expert the mean over the tokens.
        package var mass: [Double]
    }

    package var mixture: String
    package var experts: [String]
    package var tokens: [Token]
    package var answer: String
    package var depths: [Depth]

    /// The mean weight of each expert over all depths and those tokens that `isIncluded`.
    package func mass(where isIncluded: (Token) -> Bool) -> [Double] {
        var sums = Array(repeating: 0.0, count: experts.count)
        var count = 0
        for depth in depths {
            for (token, weights) in zip(tokens, depth.weights) where isIncluded(token) {
                for (index, weight) in weights.enumerated() { sums[index] += weight }
                count += 1
            }
        }
        return sums.map { $0 / Double(max(1, count)) }
    }
}

nonisolated extension GateExplanation.Depth {
    init(name: String, reading: String, weights: [[Double]]) {
        self.init(name: name, reading: reading, weights: weights, entropy: 0, mass: [])
        let experts = weights.first?.count ?? 0
        mass = (0..<experts).map { expert in
            weights.reduce(0) { $0 + $1[expert] } / Double(max(1, weights.count))
        }
        entropy = weights.reduce(0) { $0 + Self.entropy(of: $1) } / Double(max(1, weights.count))
    }

    /// Of the weights as shares of their sum; negative ones have none.
    private static func entropy(of weights: [Double]) -> Double {
        let shares = weights.map { max(0, $0) }
        let sum = shares.reduce(0, +)
        guard weights.count > 1, sum > 0 else { return 0 }
        let entropy = shares.reduce(0) { $1 > 0 ? $0 - $1 / sum * log($1 / sum) : $0 }
        return entropy / log(Double(weights.count))
    }
}

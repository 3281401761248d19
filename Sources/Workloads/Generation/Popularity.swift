// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// How requests spread over adapters.
package enum Popularity: Sendable, Equatable {
    /// All requests are for adapter 0.
    case identical

    /// Each request is for the next adapter, in turn.
    case distinct

    /// Every adapter is as likely as any other.
    case uniform

    /// Adapter `i` has weight `1 / (i + 1)^exponent`; the exponent is 0 or more.
    case zipf(Double)

    /// dLoRA's mapping (§7.1): functions, sorted by their invocations, go to the adapters in groups of
    /// `stride`, in turn; more stride is more skew. At least 1.
    case stride(Int, of: FunctionCounts)

    /// As `stride` over ``FunctionCounts/powerLaw``, where no trace is at hand.
    package static func skewed(stride: Int) -> Popularity { .stride(stride, of: .powerLaw) }

    /// The weights of so many adapters; they sum to 1.
    package func shares(of adapters: Int) -> [Double] {
        let adapters = max(1, adapters)
        var weights = [Double](repeating: 0, count: adapters)
        switch self {
        case .identical: weights[0] = 1
        case .distinct, .uniform: weights = weights.map { _ in 1 }
        case .zipf(let exponent):
            for index in weights.indices { weights[index] = pow(Double(index + 1), -exponent) }
        case .stride(let stride, let functions):
            for (position, count) in functions.counts.enumerated() {
                weights[position / max(1, stride) % adapters] += count
            }
        }
        let total = weights.reduce(0, +)
        return weights.map { total > 0 ? $0 / total : 1 / Double(adapters) }
    }
}

/// How often each function of a trace was invoked, the most popular first.
package struct FunctionCounts: Sendable, Equatable {
    package let counts: [Double]

    /// Where they are from: a file, or the law.
    package let source: String

    package init(_ counts: [Double], source: String) {
        self.counts = counts.sorted(by: >)
        self.source = source
    }

    /// The functions of the stand-in, and its exponent.
    package static let powerLawFunctions = 400
    package static let powerLawExponent = 1.2

    /// A stand-in for the counts of a real trace: function `i` of 400 is invoked in proportion to
    /// `1 / (i + 1)^1.2`. The exponent is that of the line through the logarithms of rank and count of
    /// the published excerpt of Azure Functions 2021 (1.23 over 31 functions); the number of functions
    /// is a choice.
    package static let powerLaw = FunctionCounts(
        (0..<powerLawFunctions).map { pow(Double($0 + 1), -powerLawExponent) },
        source: "power law with exponent \(powerLawExponent), a stand-in")
}

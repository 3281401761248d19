// SPDX-License-Identifier: Apache-2.0

/// How the times between requests are distributed; arrivals wait for no answer (an open loop).
package enum ArrivalProcess: Sendable, Equatable {
    /// Exponential gaps.
    case poisson

    /// Gamma distributed gaps with this coefficient of variation, above 0: 1 is `poisson`, more is
    /// burstier (dLoRA §7.1).
    case gamma(cv: Double)

    /// Equal gaps.
    case constant

    /// A gap, as a multiple of the mean gap.
    func gap(_ random: inout RandomStream) -> Double {
        switch self {
        case .poisson: random.exponential()
        case .gamma(let cv): random.gamma(shape: 1 / (cv * cv)) * cv * cv
        case .constant: 1
        }
    }

    /// The time to the first arrival, as a multiple of the mean gap: equal gaps begin anywhere in the
    /// first one, so that several streams do not beat together.
    func firstGap(_ random: inout RandomStream) -> Double {
        if case .constant = self { return random.uniform() }
        return gap(&random)
    }
}

/// Whose arrivals are drawn from one random stream.
package enum ArrivalStreams: String, Sendable, Equatable, CaseIterable {
    /// Each adapter has its own stream with its share of the rate.
    case perAdapter = "per-adapter"

    /// There is one stream, and each request draws its adapter.
    case shared
}

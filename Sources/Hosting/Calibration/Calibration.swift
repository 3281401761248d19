// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What was measured on this machine, for simulations of it.
nonisolated package struct Calibration: Sendable {
    /// A step that was run several times.
    package struct Step: Sendable {
        package var work: StepWork

        /// The sum of the positions at which its requests went on.
        package var cachedTokens: Int

        /// The mean in seconds, without runs that took more than twice the median.
        package var seconds: Double

        /// The standard deviation of its times over their median, as far as the middle of their
        /// distribution says; `nil` of less than three.
        package var spread: Double?
    }

    /// From the end of a forward pass to the beginning of the next, which lay ready.
    package struct Between: Sendable {
        /// Tokens that were drawn meanwhile.
        package var tokens: Int
        package var seconds: Double
    }

    /// A merged copy that was built while nothing else ran, and adapters that were loaded.
    package struct Transfer: Sendable {
        package var bytes: Int
        package var seconds: Double
    }

    /// A step of the host itself, while it served.
    package struct Served: Sendable {
        package var work: StepWork
        package var cachedTokens: Int
        package var seconds: Double

        /// How many other replicas computed.
        package var others: Int
    }

    package var steps: [Step] = []
    package var served: [Served] = []
    package var between: [Between] = []

    /// Of steps that decode, which part of their time is that of the output head.
    package var headShare = 0.0

    /// Seconds that a step waits longer where it was not planned ahead.
    package var gap = 0.0

    package var merges: [Transfer] = []

    /// The first copy, for which the system had to provide memory.
    package var firstMerge: Transfer?
    package var loads: [Transfer] = []

    /// What it was measured with.
    package var replicas = 1
    package var threads = 1
    package var adapters = 0

    /// How often each step was run, and all in all.
    package var rounds = 0
    package var runs = 0
}

extension [Double] {
    /// The upper one of the two in the middle; zero of nothing.
    nonisolated var median: Double { isEmpty ? 0 : sorted()[count / 2] }

    /// The mean of all but those above twice the median. Disturbances only ever make a step longer, and
    /// what serves meets them as well: the median would leave them out.
    nonisolated var trimmedMean: Double {
        let most = 2 * median
        let kept = filter { $0 <= most }
        return kept.isEmpty ? 0 : kept.reduce(0, +) / Double(kept.count)
    }

    /// 1.4826 times the median distance from the median, over the median: the relative standard
    /// deviation of a normal distribution with these quartiles.
    nonisolated var spread: Double? {
        let median = median
        guard count >= 3, median > 0 else { return nil }
        return 1.4826 * map { abs($0 - median) }.median / median
    }
}

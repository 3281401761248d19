// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Workloads

/// Statistics of the requests that a simulation completed, in memory that does not grow with them.
package struct SimulationReport: Sendable, Equatable {
    /// What the requests of one adapter got.
    package struct Share: Sendable, Equatable {
        /// The adapter's index, -1 for the base.
        package var adapter: Int
        package var completed = 0
        package var outputTokens = 0

        /// Σ over its requests of seconds per output token.
        package var normalizedSeconds = 0.0
        package var endToEndSeconds = 0.0
    }

    /// From arrival to the first iteration, to the first token, to the last token.
    package private(set) var queueing = LatencyHistogram()
    package private(set) var firstToken = LatencyHistogram()
    package private(set) var endToEnd = LatencyHistogram()

    /// End-to-end seconds over output tokens (dLoRA's metric), and seconds between two tokens.
    package private(set) var normalized = LatencyHistogram()
    package private(set) var perToken = LatencyHistogram()
    package private(set) var promptTokens = 0
    package private(set) var outputTokens = 0
    package private(set) var preemptions = 0

    /// By adapter, in the order of their indexes.
    package private(set) var shares: [Share]

    /// `adapters` is how many there are.
    package init(adapters: Int) {
        shares = (-1..<max(0, adapters)).map { Share(adapter: $0) }
    }

    /// Takes note of a request that is over.
    package mutating func add(_ request: SimulatedRequest) {
        preemptions += request.preemptions
        guard request.outcome == .completed, let begin = request.begin,
            let first = request.firstToken, let last = request.lastToken
        else { return }
        let whole = request.arrival.duration(to: last).inSeconds
        let tokens = max(1, request.outputTokens)
        queueing.add(seconds: request.arrival.duration(to: begin).inSeconds)
        firstToken.add(seconds: request.arrival.duration(to: first).inSeconds)
        endToEnd.add(seconds: whole)
        normalized.add(seconds: whole / Double(tokens))
        if tokens > 1 {
            perToken.add(seconds: first.duration(to: last).inSeconds / Double(tokens - 1))
        }
        promptTokens += request.promptTokens
        outputTokens += request.outputTokens
        let index = request.adapter + 1
        guard shares.indices.contains(index) else { return }
        shares[index].completed += 1
        shares[index].outputTokens += tokens
        shares[index].normalizedSeconds += whole / Double(tokens)
        shares[index].endToEndSeconds += whole
    }

    /// Jain's index over the adapters' mean seconds per output token: 1 where all wait alike, 1/n
    /// where one of n has all the waiting; `nil` before anything was completed.
    package var jainIndex: Double? {
        let means = shares.filter { $0.completed > 0 }
            .map { $0.normalizedSeconds / Double($0.completed) }
        return means.isEmpty ? nil : Fairness.jain(means)
    }
}

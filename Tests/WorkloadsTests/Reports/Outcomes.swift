// SPDX-License-Identifier: Apache-2.0

import Workloads

extension RequestOutcome {
    /// A request with times in milliseconds; without a last token it failed.
    static func at(
        _ arrival: Int, first: Int?, last: Int?, adapter: Int = 0, prompt: Int = 10,
        tokens: Int = 1, failure: String? = nil
    ) -> RequestOutcome {
        var outcome = RequestOutcome(
            adapter: adapter, arrival: .milliseconds(arrival), promptTokens: prompt,
            requestedTokens: tokens)
        outcome.sent = outcome.arrival
        outcome.firstToken = first.map { .milliseconds($0) }
        outcome.lastToken = last.map { .milliseconds($0) }
        outcome.ended = .milliseconds(last ?? first ?? arrival)
        outcome.outputTokens = first == nil ? 0 : tokens
        outcome.status = 200
        outcome.failure = failure ?? (last == nil ? "cut off" : nil)
        return outcome
    }
}

func near(_ one: Double?, _ other: Double, within tolerance: Double = 1e-9) -> Bool {
    guard let one else { return false }
    return abs(one - other) <= tolerance * max(1, abs(other))
}

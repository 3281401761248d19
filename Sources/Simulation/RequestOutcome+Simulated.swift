// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Scheduling
package import Workloads

extension RequestOutcome {
    /// What a simulated request counts as in the reports of `burrow bench`; times since the start.
    package init(_ request: SimulatedRequest) {
        self.init(
            adapter: request.adapter, arrival: .nanoseconds(request.arrival.nanoseconds),
            promptTokens: request.promptTokens, requestedTokens: request.requestedTokens)
        sent = arrival
        firstToken = request.firstToken.map { .nanoseconds($0.nanoseconds) }
        lastToken = request.lastToken.map { .nanoseconds($0.nanoseconds) }
        ended = .nanoseconds(request.end.nanoseconds)
        outputTokens = request.outputTokens
        failure = request.outcome.failure
    }
}

extension SimulatedRequest.Outcome {
    /// In a word that many requests may share; nil where it completed.
    fileprivate var failure: String? {
        switch self {
        case .completed: return nil
        case .refused(let refusal):
            if case .queueFull = refusal { return "queue full" }
            return "refused"
        case .aborted: return "aborted"
        case .failed: return "failed"
        case .stuck: return "stuck"
        }
    }
}

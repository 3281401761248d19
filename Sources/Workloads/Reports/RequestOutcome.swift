// SPDX-License-Identifier: Apache-2.0

/// What became of one request of a run; all times count from the start of the run.
package struct RequestOutcome: Sendable, Equatable {
    /// The adapter's position in the workload; −1 is the base.
    package var adapter: Int
    /// Who sent it, where the workload tells tenants apart.
    package var tenant: Int?
    /// When it was meant to be sent; every latency counts from here, so that a client or a server
    /// that falls behind hides nothing.
    package var arrival: Duration
    /// When it was sent; nil where it never was.
    package var sent: Duration?
    package var firstToken: Duration?
    package var lastToken: Duration?
    /// When its reply was complete, or when it failed.
    package var ended: Duration
    /// As the server counted them, else as planned.
    package var promptTokens: Int
    /// Tokens received.
    package var outputTokens: Int
    /// Tokens asked for.
    package var requestedTokens: Int
    /// The HTTP status; nil without a reply.
    package var status: Int?
    /// The kind of failure in a few words that many requests may share; nil where it completed.
    package var failure: String?

    package init(
        adapter: Int, tenant: Int? = nil, arrival: Duration, promptTokens: Int,
        requestedTokens: Int
    ) {
        self.adapter = adapter
        self.tenant = tenant
        self.arrival = arrival
        self.promptTokens = promptTokens
        self.requestedTokens = requestedTokens
        ended = arrival
        outputTokens = 0
    }
}

extension RequestOutcome {
    /// Seconds from the intended arrival to the first token, of a request that completed.
    package var timeToFirstToken: Double? {
        failure == nil ? firstToken.map { ($0 - arrival).seconds } : nil
    }

    /// Mean seconds between its tokens after the first; nil with fewer than two tokens.
    package var timePerOutputToken: Double? {
        guard failure == nil, outputTokens > 1, let firstToken, let lastToken else { return nil }
        return (lastToken - firstToken).seconds / Double(outputTokens - 1)
    }

    /// Seconds from the intended arrival to the last token, of a request that completed.
    package var latency: Double? {
        failure == nil ? lastToken.map { ($0 - arrival).seconds } : nil
    }

    /// Seconds of latency for each token of output (dLoRA's measure, section 6.1).
    package var normalisedLatency: Double? {
        outputTokens > 0 ? latency.map { $0 / Double(outputTokens) } : nil
    }
}

extension Duration {
    /// In seconds.
    package var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

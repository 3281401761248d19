// SPDX-License-Identifier: Apache-2.0

/// One request of a workload, before anybody has served it.
package struct PlannedRequest: Sendable, Equatable {
    /// When it comes, since the start of the workload.
    package var arrival: Duration

    /// The adapter's index, from 0; -1 is the base model.
    package var adapter: Int

    /// Tokens of the prompt, at least 1.
    package var promptTokens: Int

    /// Tokens that it generates, at least 1.
    package var outputTokens: Int

    package init(arrival: Duration, adapter: Int, promptTokens: Int, outputTokens: Int) {
        self.arrival = arrival
        self.adapter = adapter
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
    }
}

extension Duration {
    /// Whole nanoseconds, held at the ends of `Int64`.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflows) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || overflows ? (seconds < 0 ? .min : .max) : sum
    }
}

// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What a replica has measured of its own costs.
package struct ReplicaCosts: Sendable, Equatable {
    package internal(set) var steps = StepCostModel()
    package internal(set) var merging = ByteRate()
    package internal(set) var loading = ByteRate()

    /// Generated tokens over the most that were allowed, of requests that ended by themselves: an
    /// exponentially weighted mean, 1 before the first.
    package private(set) var outputShare = 1.0
    private var outputs = 0
    private var copyBytes = 0

    package init() {}

    /// Whether step times can be predicted.
    package var isMeasured: Bool { steps.observations > 0 }

    /// All of it, as policies see it.
    package var estimates: CostEstimates {
        var estimates = steps.estimates
        estimates.mergeTime = merging.predict(bytes: copyBytes)
        estimates.loadSecondsPerByte = loading.secondsPerByte
        estimates.outputShare = outputShare
        return estimates
    }

    mutating func observeCopy(bytes: Int, took time: Duration) {
        copyBytes = bytes
        merging.observe(bytes: bytes, took: time)
    }

    mutating func observeOutput(generated: Int, most: Int) {
        guard most > 0 else { return }
        outputs = min(outputs + 1, 1_000)
        let share = min(1, Double(generated) / Double(most))
        outputShare += (share - outputShare) * max(0.02, 1 / Double(outputs))
    }

    /// The time to serve a backlog, or `nil` before the first observation of a step.
    ///
    /// It takes as many iterations as its prompts fill or its decode rows need, whichever is more.
    /// Outputs are expected to be as long as they used to be.
    func pendingTime(
        of backlog: Backlog, in configuration: ReplicaConfiguration, isMerged: Bool
    ) -> Duration? {
        guard backlog.requests > 0 else { return isMeasured ? .zero : nil }
        let requests = Double(backlog.requests)
        let rows = min(requests, Double(configuration.batchRequests))
        let prompts = Double(backlog.promptTokens)
        let outputs = Double(backlog.outputTokens) * outputShare
        let all = Double(backlog.promptTokens) + Double(backlog.outputTokens)
        let meanPrompt = Double(backlog.wholePromptTokens) / requests
        let meanOutput = Double(backlog.wholeOutputTokens) / requests * outputShare
        var work = PendingWork()
        work.promptTokens = prompts
        work.decodeRows = outputs
        work.steps = max(
            outputs / rows, (prompts + outputs) / Double(configuration.batchTokens), 1)
        work.attendedTokens =
            prompts * meanPrompt / 2 + outputs * (meanPrompt + meanOutput / 2)
        if isMerged {
            work.mergedSteps = work.steps
        } else {
            work.rankTokens = Double(backlog.rankTokens) * (prompts + outputs) / max(1, all)
            work.distinctRanks = work.steps * Double(backlog.ranks) / requests * rows
        }
        return steps.predict(work)
    }
}

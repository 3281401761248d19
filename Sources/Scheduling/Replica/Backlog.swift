// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// Sums over the unfinished requests of a replica, kept up to date with each change.
package struct Backlog: Sendable, Equatable {
    package private(set) var requests = 0

    /// Requests that have not been part of an iteration yet.
    package private(set) var waiting = 0

    /// Requests whose adapter is resident.
    package private(set) var runnable = 0

    /// Runnable requests that generate.
    package private(set) var decoding = 0

    /// Requests whose next tokens must be computed in one iteration.
    package private(set) var undivided = 0

    /// Tokens still to compute: of prompts, and the most that may be generated.
    package private(set) var promptTokens = 0
    package private(set) var outputTokens = 0

    /// Those tokens, each times the rank of its adapter.
    package private(set) var rankTokens = 0

    /// Σ rank over the requests.
    package private(set) var ranks = 0

    /// Whole prompts and outputs, for the mean context.
    package private(set) var wholePromptTokens = 0
    package private(set) var wholeOutputTokens = 0

    /// Requests that have begun.
    package var running: Int { requests - waiting }

    mutating func add(_ request: RequestSnapshot, _ record: RequestRecord) {
        count(request, record, sign: 1)
    }

    mutating func subtract(_ request: RequestSnapshot, _ record: RequestRecord) {
        count(request, record, sign: -1)
    }

    private mutating func count(
        _ request: RequestSnapshot, _ record: RequestRecord, sign: Int
    ) {
        let isDecoding = request.phase == .decoding
        let prompt = isDecoding ? 0 : request.promptTokens - request.computedTokens
        let output = request.maximumTokens - request.generatedTokens
        requests += sign
        ranks += sign * record.rank
        promptTokens += sign * prompt
        outputTokens += sign * output
        rankTokens &+= sign &* (prompt &+ output) &* record.rank
        wholePromptTokens += sign * record.originalPromptTokens
        wholeOutputTokens += sign * request.maximumTokens
        if !record.hasBegun { waiting += sign }
        if request.leastTokens > 1 { undivided += sign }
        if request.isAdapterResident {
            runnable += sign
            if isDecoding { decoding += sign }
        }
    }
}

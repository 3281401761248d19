// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([ShortestFirstBatching.self])
}

/// Runs the requests with the least work left, unmerged; what has begun is not stopped for others.
final class ShortestFirstBatching: BatchingPolicy {
    struct Parameters: PolicyParameters {
        @Parameter(
            "Work of a prompt token, where that of a generated token is 1.", in: 0.001...1)
        var promptWeight: Double = 0.1
    }

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "shortest-first-batching", version: "1.0.0",
            summary: "Starts the requests with the least work left first, for a low mean latency "
                + "where lengths differ much.")
    }

    private let promptWeight: Double

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.promptWeight = parameters.promptWeight
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        var turns: [Turn] = []
        for index in requests.indices where requests[index].isAdapterResident {
            turns.append(turn(of: requests[index], at: index, mustServe: context.mustServe))
        }
        turns.sort(by: <)
        let limits = context.limits
        var tokensLeft = limits.tokens
        var pagesLeft = limits.freePages
        for turn in turns where tokensLeft > 0 && plan.entries.count < limits.requests {
            let request = requests[turn.index]
            let room = request.pendingTokens(
                withinNewPages: pagesLeft, pageTokens: limits.pageTokens)
            let tokens = min(room, tokensLeft)
            guard tokens > 0 else { continue }
            plan.entries.append(BatchPlan.Entry(index: turn.index, tokens: tokens))
            tokensLeft -= tokens
            pagesLeft -= request.newPages(computing: tokens, pageTokens: limits.pageTokens)
        }
    }

    private func turn(
        of request: RequestSnapshot, at index: Int, mustServe: [AdapterID]
    ) -> Turn {
        let output = request.maximumTokens - request.generatedTokens
        let prompt = request.phase == .decoding ? 0 : request.pendingTokens
        return Turn(
            urgency: mustServe.firstIndex(of: request.adapter) ?? mustServe.count,
            isWaiting: request.phase == .waiting,
            work: Double(output) + promptWeight * Double(prompt), index: index)
    }
}

/// Where a request stands: the urgent first, then those that have begun, then by their work.
///
/// What has begun goes first because it holds KV pages: a short request that took the last page
/// from it would be preempted for it, and begin again, for ever.
private struct Turn: Comparable {
    let urgency: Int
    let isWaiting: Bool
    let work: Double
    let index: Int

    static func < (left: Turn, right: Turn) -> Bool {
        if left.urgency != right.urgency { return left.urgency < right.urgency }
        if left.isWaiting != right.isWaiting { return right.isWaiting }
        if left.work != right.work { return left.work < right.work }
        return left.index < right.index
    }
}

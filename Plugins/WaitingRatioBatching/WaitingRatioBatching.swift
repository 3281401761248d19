// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([WaitingRatioBatching.self])
}

/// Decodes until enough requests wait, then prefills them in a step of their own (the router of
/// text-generation-inference 1 and 2: `waiting_served_ratio` and `max_waiting_tokens`).
final class WaitingRatioBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "waiting-ratio-batching", version: "1.0.0",
            summary:
                "Admits new prompts only when enough wait for the number that run, or after some "
                + "iterations, and prefills them in steps of their own; the batching of TGI.")
    }

    private let ratio: Double
    private let patience: Int

    /// Iterations since prompts were last computed.
    private var iterations = 0

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.ratio = parameters.ratio
        self.patience = parameters.patience
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        let standing = Standing(requests, mustServe: context.mustServe)
        var entries = prompts(of: standing, requests, limits: context.limits)
        if entries.isEmpty {
            var rows = BatchFilling(limits: context.limits)
            for turn in standing.decoding { rows.fill(turn, of: requests) }
            entries = rows.entries
            iterations = min(iterations + 1, patience)
        } else {
            iterations = 0
        }
        if entries.isEmpty {
            // No row finds a page, or nobody decodes: whoever can run does.
            entries =
                BatchFilling(requests, urgent: context.mustServe, limits: context.limits).entries
        }
        plan.entries = entries
    }

    /// Prompts to compute in a step of their own, or none where decoding goes on.
    private func prompts(
        of standing: Standing, _ requests: Span<RequestSnapshot>, limits: BatchLimits
    ) -> [BatchPlan.Entry] {
        var limits = limits
        limits.requests -= standing.decodingCount
        limits.freePages = max(0, limits.freePages - standing.decodingCount)
        guard limits.requests > 0 else { return [] }
        var batch = BatchFilling(limits: limits)
        batch.fill(standing.prefilling, of: requests, beginning: .never)
        // A prompt that has begun is brought to its end before anything else.
        if !batch.entries.isEmpty { return batch.entries }
        let running = standing.decodingCount + standing.prefilling.count
        for turn in standing.waiting {
            batch.fill(turn, of: requests, beginning: running == 0 ? .aloneOrWhole : .whole)
        }
        return batch.entries.count >= fewest(for: standing, running: running) ? batch.entries : []
    }

    /// How many prompts it takes to interrupt those that run.
    private func fewest(for standing: Standing, running: Int) -> Int {
        if running == 0 || standing.isUrgent || iterations >= patience { return 1 }
        return max(1, Int(min(Double(running) * ratio, 1e9)))
    }
}

/// Positions of the requests whose adapter is resident, by phase: those of urgent adapters, adapter
/// by adapter, then all others.
private struct Standing {
    private(set) var decoding: [[Int]]
    private(set) var waiting: [[Int]]
    private(set) var prefilling: [Int] = []
    private(set) var decodingCount = 0

    /// Whether a request waits that must be served.
    private(set) var isUrgent = false

    init(_ requests: Span<RequestSnapshot>, mustServe: [AdapterID]) {
        var rank: [AdapterID: Int] = [:]
        for adapter in mustServe where rank[adapter] == nil { rank[adapter] = rank.count }
        decoding = [[Int]](repeating: [], count: rank.count + 1)
        waiting = decoding
        for index in requests.indices where requests[index].isAdapterResident {
            let turn = rank.isEmpty ? 0 : rank[requests[index].adapter] ?? rank.count
            switch requests[index].phase {
            case .decoding:
                decoding[turn].append(index)
                decodingCount += 1
            case .prefilling:
                prefilling.append(index)
            case .waiting:
                waiting[turn].append(index)
                if turn < rank.count { isUrgent = true }
            }
        }
    }
}

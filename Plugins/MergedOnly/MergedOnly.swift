// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 2)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([MergedOnly.self])
}

/// Serves one adapter at a time, merged: that of the first request in order (the merged-only
/// baseline of dLoRA, OSDI '24, §7; policy `merge` of its artifact).
final class MergedOnly: BatchingPolicy {
    typealias Parameters = NoParameters

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "merged-only", version: "1.0.0",
            summary: "Serves all requests of the first request's adapter and no others, merged; "
                + "the merged-only baseline of dLoRA.")
    }

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        let queues = AdapterQueues(requests, mustServe: context.mustServe)
        let running = requests.indices.count { requests[$0].phase != .waiting }
        for (rank, adapter) in queues.order.enumerated() {
            // Others than the first only finish what they have begun, and only where the first
            // cannot run: what they start would keep the pages that it waits for.
            let entries = Self.entries(
                for: queues.requests[adapter] ?? [], of: requests, limits: context.limits,
                start: rank > 0 ? .never : running == 0 ? .anyhow : .whole)
            if entries.isEmpty { continue }
            plan.entries = entries
            let mayMerge = !adapter.isBase && !context.notMergeable.contains(adapter)
            plan.mode = mayMerge ? .merged(adapter) : .unmerged
            return
        }
    }

    /// When a request that waits may begin.
    private enum Start {
        case never
        /// When there are pages for its whole prompt.
        case whole
        /// With what there is, as nobody holds pages that could come free.
        case anyhow
    }

    private static func entries(
        for indexes: [Int], of requests: Span<RequestSnapshot>, limits: BatchLimits, start: Start
    ) -> [BatchPlan.Entry] {
        var entries: [BatchPlan.Entry] = []
        var tokensLeft = limits.tokens
        var pagesLeft = limits.freePages
        var mayStart = start != .never
        for phase in [RequestPhase.decoding, .prefilling, .waiting] {
            for index in indexes where requests[index].phase == phase {
                guard tokensLeft > 0, entries.count < limits.requests else { return entries }
                let request = requests[index]
                let room = request.pendingTokens(
                    withinNewPages: pagesLeft, pageTokens: limits.pageTokens)
                if phase == .waiting {
                    // Whoever comes later must not take the pages that this one waits for.
                    let isAlone = start == .anyhow && entries.isEmpty
                    let fits = room == request.pendingTokens || isAlone
                    mayStart = mayStart && fits
                    guard mayStart else { return entries }
                }
                let tokens = min(room, tokensLeft)
                guard tokens > 0 else { continue }
                entries.append(BatchPlan.Entry(index: index, tokens: tokens))
                tokensLeft -= tokens
                pagesLeft -= request.newPages(computing: tokens, pageTokens: limits.pageTokens)
            }
        }
        return entries
    }
}

/// The runnable requests by adapter.
private struct AdapterQueues {
    /// Those that must be served, then by their first request.
    private(set) var order: [AdapterID] = []
    private(set) var requests: [AdapterID: [Int]] = [:]

    init(_ snapshots: Span<RequestSnapshot>, mustServe: [AdapterID]) {
        var byFirstRequest: [AdapterID] = []
        for index in snapshots.indices where snapshots[index].isAdapterResident {
            let adapter = snapshots[index].adapter
            if requests[adapter] == nil { byFirstRequest.append(adapter) }
            requests[adapter, default: []].append(index)
        }
        var listed: Set<AdapterID> = []
        for adapter in mustServe + byFirstRequest
        where requests[adapter] != nil && listed.insert(adapter).inserted {
            order.append(adapter)
        }
    }
}

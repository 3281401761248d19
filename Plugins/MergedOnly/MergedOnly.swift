// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

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
        let hasBegun = requests.indices.contains { requests[$0].phase != .waiting }
        for (rank, adapter) in queues.order.enumerated() {
            // Others than the first only finish what they have begun, and only where the first
            // cannot run: what they start would keep the pages that it waits for.
            var batch = BatchFilling(limits: context.limits)
            let positions = queues.requests[adapter] ?? []
            batch.fill(positions.filter { requests[$0].phase != .waiting }, of: requests)
            batch.fill(
                positions.filter { requests[$0].phase == .waiting }, of: requests,
                beginning: rank > 0 ? .never : hasBegun ? .whole : .aloneOrWhole)
            if batch.entries.isEmpty { continue }
            plan.entries = batch.entries
            let mayMerge = !adapter.isBase && !context.notMergeable.contains(adapter)
            plan.mode = mayMerge ? .merged(adapter) : .unmerged
            return
        }
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

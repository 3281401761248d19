// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([AdapterPrefixBatching.self])
}

/// Serves the longest prefix of the order that one adapter makes (the batches of vLLM and PEFT as
/// dLoRA ran them, OSDI '24, §7.1; `_strict_fcfs_schedule(1)` of its artifact).
final class AdapterPrefixBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "adapter-prefix-batching", version: "1.0.0",
            summary:
                "Serves the longest prefix of the order whose requests are all of one adapter; "
                + "the baselines of dLoRA without batches across adapters.")
    }

    private let mode: Mode

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.mode = parameters.mode
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        let queue = Queue(requests, mustServe: context.mustServe)
        guard let adapter = queue.adapter else { return }
        let isAnyoneElseRunning = !queue.othersBegun.isEmpty
        var batch = BatchFilling(limits: context.limits)
        batch.fill(
            queue.prefix, of: requests, beginning: isAnyoneElseRunning ? .whole : .aloneOrWhole)
        if !batch.entries.isEmpty {
            let mayMerge = !adapter.isBase && !context.notMergeable.contains(adapter)
            plan.mode = mode == .merged && mayMerge ? .merged(adapter) : .unmerged
            plan.entries = batch.entries
            return
        }
        // Others hold the pages that the prefix waits for, as the order has changed since they
        // began: they go on, one adapter at a time, so that their pages come free.
        for group in queue.othersBegun {
            var others = BatchFilling(limits: context.limits)
            others.fill(group, of: requests, beginning: .never)
            if others.entries.isEmpty { continue }
            plan.entries = others.entries
            return
        }
    }
}

/// The requests as this policy sees them: those of adapters that are not resident are not there.
private struct Queue {
    /// The adapter of the first request in turn.
    private(set) var adapter: AdapterID?

    /// Its requests up to the first of another adapter, and those behind it that have begun.
    private(set) var prefix: [Int] = []

    /// Requests of other adapters that have begun, by adapter.
    private(set) var othersBegun: [[Int]] = []

    init(_ requests: Span<RequestSnapshot>, mustServe: [AdapterID]) {
        var present: Set<AdapterID> = []
        for index in requests.indices where requests[index].isAdapterResident {
            if adapter == nil { adapter = requests[index].adapter }
            if mustServe.isEmpty { break }
            present.insert(requests[index].adapter)
        }
        let urgent = mustServe.first(where: present.contains)
        if let urgent { adapter = urgent }
        var isPrefix = true
        var groups: [AdapterID: Int] = [:]
        for index in requests.indices where requests[index].isAdapterResident {
            let request = requests[index]
            if request.adapter == adapter {
                // Urgent requests stand in front of all others, so all of them are the prefix.
                if isPrefix || urgent != nil || request.phase != .waiting { prefix.append(index) }
                continue
            }
            isPrefix = false
            guard request.phase != .waiting else { continue }
            if let group = groups[request.adapter] {
                othersBegun[group].append(index)
            } else {
                groups[request.adapter] = othersBegun.count
                othersBegun.append([index])
            }
        }
    }
}

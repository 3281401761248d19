// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([ClusteredBatching.self])
}

/// Unmerged batches of few distinct adapters (adapter clustering of S-LoRA, MLSys '24, §5;
/// `ClusterReqQueue` of its code).
final class ClusteredBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "clustered-batching", version: "1.0.0",
            summary: "Serves requests in order on the pristine weights, with few distinct adapters "
                + "in one batch: those of running requests first; the clustering of S-LoRA.")
    }

    private let most: Int
    private let isStrict: Bool

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.most = parameters.adapters
        self.isStrict = parameters.strict
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        let cluster = cluster(requests, mustServe: context.mustServe)
        var urgent = [AdapterID: Int]()
        for adapter in context.mustServe where urgent[adapter] == nil {
            urgent[adapter] = urgent.count
        }
        var turns = [[Int]](repeating: [], count: urgent.count)
        var inside: [Int] = []
        var outside: [Int] = []
        for index in requests.indices where requests[index].isAdapterResident {
            let adapter = requests[index].adapter
            if !adapter.isBase, !cluster.contains(adapter) {
                outside.append(index)
            } else if let turn = urgent[adapter] {
                turns[turn].append(index)
            } else {
                inside.append(index)
            }
        }
        var batch = BatchFilling(limits: context.limits)
        for turn in turns { batch.fill(turn, of: requests) }
        batch.fill(inside, of: requests)
        // Requests that have begun keep pages that the cluster may need: they must come to an end.
        if !isStrict || batch.entries.isEmpty { batch.fill(outside, of: requests) }
        plan.entries = isStrict ? few(batch.entries, of: requests) : batch.entries
    }

    /// The adapters that may run: those that must, then those of requests that have begun, then
    /// those of waiting ones, each in order, as many as may be.
    private func cluster(
        _ requests: Span<RequestSnapshot>, mustServe: [AdapterID]
    ) -> Set<AdapterID> {
        var cluster: Set<AdapterID> = []
        func add(where isIncluded: (RequestSnapshot) -> Bool) {
            for index in requests.indices where cluster.count < most {
                let request = requests[index]
                guard request.isAdapterResident, !request.adapter.isBase else { continue }
                if isIncluded(request) { cluster.insert(request.adapter) }
            }
        }
        for adapter in mustServe { add { $0.adapter == adapter } }
        add { $0.phase != .waiting }
        add { _ in true }
        return cluster
    }

    /// The entries of the first adapters, as many as may be; none is left out in a batch of the
    /// cluster.
    private func few(
        _ entries: [BatchPlan.Entry], of requests: Span<RequestSnapshot>
    ) -> [BatchPlan.Entry] {
        var adapters: Set<AdapterID> = []
        return entries.filter { entry in
            let adapter = requests[entry.index].adapter
            if adapter.isBase || adapters.contains(adapter) { return true }
            if adapters.count < most { return adapters.insert(adapter).inserted }
            return false
        }
    }
}

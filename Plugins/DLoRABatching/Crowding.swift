// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Whether merged requests and others take KV pages from one another.
///
/// Others keep their pages while the merged adapter runs. If a merged request loses its own, to start
/// again with the same ones missing, nobody would ever get to an end. So unmerged iterations, which
/// serve the first in order, go on until that one has ended.
struct Crowding: Equatable {
    /// The request that must end before anything is merged again.
    private(set) var first: RequestID?

    /// Who ran in the last merged iteration.
    private var ran: Set<RequestID> = []

    init(first: RequestID? = nil) { self.first = first }

    /// Notes who runs merged.
    mutating func note(_ entries: [BatchPlan.Entry], of requests: Span<RequestSnapshot>) {
        ran.removeAll(keepingCapacity: true)
        for entry in entries { ran.insert(requests[entry.index].id) }
    }

    /// Whether anything may be merged, as the requests stand now.
    mutating func isOver(_ requests: Span<RequestSnapshot>) -> Bool {
        if let first {
            if requests.indices.contains(where: { requests[$0].id == first }) { return false }
            self.first = nil
        }
        guard !ran.isEmpty else { return true }
        let hasLost = requests.indices.contains { index in
            requests[index].phase == .waiting && ran.contains(requests[index].id)
        }
        guard hasLost else { return true }
        ran.removeAll(keepingCapacity: true)
        first = requests.indices.first { requests[$0].isAdapterResident }
            .map { requests[$0].id }
        return first == nil
    }
}

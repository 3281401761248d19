// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A question to the dispatch policy with its answer.
package struct DispatchRecord: Sendable {
    package var request: RequestSnapshot
    package var replicas: [ReplicaSnapshot]
    package var now: Instant

    /// The replica; `nil` where there was no good answer.
    package var choice: Int?
}

extension Fleet {
    /// More records than any turn makes; those beyond are dropped.
    private static let mostRecords = 4096

    /// Has the questions to the dispatch policy recorded, or no longer.
    package mutating func recordDispatch(_ isWanted: Bool) {
        dispatchRecords = isWanted ? dispatchRecords ?? [] : nil
    }

    /// What was recorded since the last call.
    package mutating func takeDispatchRecords() -> [DispatchRecord] {
        guard let records = dispatchRecords, !records.isEmpty else { return [] }
        dispatchRecords = []
        return records
    }

    mutating func record(_ request: RequestSnapshot, _ choice: Int?, at now: Instant) {
        guard let count = dispatchRecords?.count, count < Self.mostRecords else { return }
        dispatchRecords?.append(
            DispatchRecord(
                request: request, replicas: board.snapshots, now: now, choice: choice))
    }
}

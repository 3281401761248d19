// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// From when on a replica computed in a mode.
package struct ModeChange: Sendable, Equatable {
    package var since: Instant
    package var mode: BatchMode

    package init(since: Instant, mode: BatchMode) {
        self.since = since
        self.mode = mode
    }
}

/// The last changes of a replica's mode, or of the adapter that it is merged on.
package struct ModeTimeline: Sendable {
    /// The most changes that are kept; the oldest leaves first.
    package static let capacity = 64

    private var ring: [ModeChange] = []
    private var oldest = 0

    package init() { ring.reserveCapacity(Self.capacity) }

    /// The change to the present mode; `nil` before the first iteration.
    package var last: ModeChange? {
        ring.isEmpty ? nil : ring[(oldest + ring.count - 1) % ring.count]
    }

    /// All that is kept, the oldest first.
    package var changes: [ModeChange] { Array(ring[oldest...] + ring[..<oldest]) }

    /// An iteration in `mode` was handed out.
    mutating func note(_ mode: BatchMode, at now: Instant) {
        guard last?.mode != mode else { return }
        let change = ModeChange(since: now, mode: mode)
        if ring.count < Self.capacity {
            ring.append(change)
        } else {
            ring[oldest] = change
            oldest = (oldest + 1) % Self.capacity
        }
    }
}

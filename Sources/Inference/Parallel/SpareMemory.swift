// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Memory that is not used any more, kept for the next use of about that size.
///
/// The system clears fresh pages, which takes longer than filling them with an adapter or a merged
/// copy. What is kept is bounded; nothing is ever cleared here, so whoever takes memory writes all
/// that is read of it.
final class SpareMemory: Sendable {
    private let limit: Int
    private let blocks = Mutex<[AlignedMemory]>([])

    /// Keeps at most `limit` blocks.
    init(limit: Int) {
        self.limit = limit
    }

    /// A block that was given back, at most a quarter larger than the plan, or else a fresh one.
    func take(_ plan: MemoryPlan) throws(InferenceError) -> AlignedMemory {
        let wanted = plan.byteCount
        let kept = blocks.withLock { blocks in
            blocks.firstIndex { (wanted...wanted + wanted / 4).contains($0.byteCount) }
                .map { blocks.remove(at: $0) }
        }
        if let kept { return kept }
        return try plan.allocate()
    }

    /// Gives everything back to the system.
    func clear() {
        let kept = blocks.withLock { blocks in
            defer { blocks = [] }
            return blocks
        }
        // What leaves is freed outside the lock.
        withExtendedLifetime(kept) {}
    }

    /// Keeps a block that nobody uses any more; the oldest leaves for it.
    func give(_ memory: AlignedMemory) {
        // What leaves is freed outside the lock.
        _ = blocks.withLock { blocks in
            blocks.append(memory)
            return blocks.count > limit ? blocks.removeFirst() : nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A binary heap of merges that could be done, the lowest rank first, then the leftmost.
struct MergeQueue {
    struct Candidate {
        /// Rank in the high half, position of the left symbol in the low half.
        let order: UInt64
        /// The token the merge would make; tells whether the candidate is still current.
        let id: Int32

        init(rank: UInt32, position: Int, id: Int32) {
            order = UInt64(rank) << 32 | UInt64(UInt32(truncatingIfNeeded: position))
            self.id = id
        }

        var position: Int { Int(order & 0xFFFF_FFFF) }
    }

    private var heap: [Candidate] = []

    mutating func push(_ candidate: Candidate) {
        var child = heap.count
        heap.append(candidate)
        while child > 0 {
            let parent = (child - 1) / 2
            guard candidate.order < heap[parent].order else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = candidate
    }

    mutating func pop() -> Candidate? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return top }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].order < heap[child].order { child += 1 }
            guard heap[child].order < last.order else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return top
    }

    mutating func removeAll() { heap.removeAll(keepingCapacity: true) }
}

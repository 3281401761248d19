// SPDX-License-Identifier: Apache-2.0

/// An order of a step's chunks in which equal adapter lists are neighbours.
struct AdapterOrder {
    private(set) var indices: [Int] = []
    /// For each chunk a number for each of its adapter uses, one chunk behind the other; equal uses
    /// have equal numbers.
    private var keys: [Int] = []
    /// Where each chunk's numbers start, and behind the last one where they end.
    private var starts: [Int] = []
    private var numbers: [Use: Int] = [:]

    private struct Use: Hashable {
        let adapter: ObjectIdentifier
        let factor: UInt32
    }

    /// The number of a chunk's use in one place of its list; nil behind the last one.
    func key(of chunk: Int, slot: Int) -> Int? {
        let index = starts[chunk] + slot
        return index < starts[chunk + 1] ? keys[index] : nil
    }

    mutating func sort(_ chunks: [SequenceChunk]) {
        indices.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        numbers.removeAll(keepingCapacity: true)
        starts.append(0)
        var isSorted = true
        for (index, chunk) in chunks.enumerated() {
            for use in chunk.adapters {
                let key = Use(
                    adapter: ObjectIdentifier(use.adapter), factor: use.factor.bitPattern)
                let number = numbers[key] ?? numbers.count
                numbers[key] = number
                keys.append(number)
            }
            starts.append(keys.count)
            indices.append(index)
            isSorted = isSorted && (index == 0 || !precedes(index, index - 1))
        }
        // Sorting many chunks takes memory of its own.
        guard !isSorted else { return }
        var sorted: [Int] = []
        swap(&sorted, &indices)
        sorted.sort(by: precedes)
        swap(&sorted, &indices)
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        var slot = 0
        while true {
            switch (key(of: left, slot: slot), key(of: right, slot: slot)) {
            case (nil, nil): return left < right
            case (nil, _): return true
            case (_, nil): return false
            case (let a?, let b?) where a != b: return a < b
            default: slot += 1
            }
        }
    }
}

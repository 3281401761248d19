// SPDX-License-Identifier: Apache-2.0

/// A binary heap of numbered items, the lowest key on top, of which any item's key can change.
struct IndexedHeap<Key: Comparable> {
    private var items: [Int] = []
    private var keys: [Key?]

    /// Where an item stands in `items`; −1 where it is not in the heap.
    private var positions: [Int]

    /// An empty heap for items below `count`.
    init(count: Int) {
        self.keys = [Key?](repeating: nil, count: count)
        self.positions = [Int](repeating: -1, count: count)
    }

    var top: (item: Int, key: Key)? {
        guard let item = items.first, let key = keys[item] else { return nil }
        return (item, key)
    }

    func contains(_ item: Int) -> Bool { positions[item] >= 0 }

    /// Puts an item in, or changes its key.
    mutating func set(_ item: Int, _ key: Key) {
        keys[item] = key
        if positions[item] < 0 {
            positions[item] = items.count
            items.append(item)
        }
        if !rise(positions[item]) { sink(positions[item]) }
    }

    mutating func remove(_ item: Int) {
        let position = positions[item]
        guard position >= 0, let last = items.popLast() else { return }
        positions[item] = -1
        keys[item] = nil
        guard last != item else { return }
        items[position] = last
        positions[last] = position
        if !rise(position) { sink(position) }
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        guard let first = keys[items[left]], let second = keys[items[right]] else { return false }
        return first < second
    }

    private mutating func exchange(_ left: Int, _ right: Int) {
        items.swapAt(left, right)
        positions[items[left]] = left
        positions[items[right]] = right
    }

    private mutating func rise(_ start: Int) -> Bool {
        var position = start
        while position > 0, isBefore(position, (position - 1) / 2) {
            exchange(position, (position - 1) / 2)
            position = (position - 1) / 2
        }
        return position != start
    }

    private mutating func sink(_ start: Int) {
        var position = start
        while true {
            var least = position
            for child in [2 * position + 1, 2 * position + 2]
            where child < items.count && isBefore(child, least) { least = child }
            if least == position { return }
            exchange(position, least)
            position = least
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A token with the weight it is drawn by.
struct TokenCandidate: Equatable {
    var weight: Float
    var token: Int32

    /// Descending by weight; of equal weights, the lower token first. No two tokens tie.
    func precedes(_ other: TokenCandidate) -> Bool {
        weight > other.weight || weight == other.weight && token < other.token
    }
}

/// The likeliest tokens, found without sorting the vocabulary.
struct TokenCandidates {
    /// In the order of their tokens.
    private(set) var kept: [TokenCandidate] = []
    private var work: [TokenCandidate] = []
    private static let maximumRounds = 64

    var mass: Double { kept.reduce(0) { $0 + Double($1.weight) } }

    /// Keeps every token whose value is at least `threshold`.
    mutating func gather(_ values: UnsafeBufferPointer<Float>, atLeast threshold: Float) {
        kept.removeAll(keepingCapacity: true)
        for index in 0..<values.count where values[index] >= threshold {
            kept.append(
                TokenCandidate(weight: values[index], token: Int32(truncatingIfNeeded: index)))
        }
    }

    /// Keeps the `count` likeliest, and those that tie with the last of them.
    mutating func keepLikeliest(_ count: Int) {
        guard let last = cut(target: Double(count), measure: { _ in 1 }) else { return }
        kept.removeAll { $0.weight < last.weight }
    }

    /// Keeps the smallest set of the likeliest whose weights sum to at least `mass`.
    mutating func keepMass(_ mass: Double) {
        guard let last = cut(target: mass, measure: { Double($0.weight) }) else { return }
        kept.removeAll { last.precedes($0) }
    }

    /// Exactly the `count` likeliest, in descending order.
    mutating func ranked(_ count: Int) -> [TokenCandidate] {
        if let last = cut(target: Double(count), measure: { _ in 1 }) {
            kept.removeAll { last.precedes($0) }
        }
        return kept.sorted { $0.precedes($1) }
    }

    /// The last candidate of the shortest descending run whose measures sum to `target`; nil if all
    /// of them together do not.
    ///
    /// A quickselect by measure: linear on average, and it sorts only what is left at the end.
    private mutating func cut(
        target: Double, measure: (TokenCandidate) -> Double
    ) -> TokenCandidate? {
        work.removeAll(keepingCapacity: true)
        work.append(contentsOf: kept)
        var low = 0
        var high = work.count
        var above = 0.0
        var rounds = 0
        while high - low > 24 && rounds < Self.maximumRounds {
            rounds += 1
            let pivot = partition(low, high)
            var mass = above
            for index in low..<pivot { mass += measure(work[index]) }
            if mass >= target {
                high = pivot
                continue
            }
            above = mass + measure(work[pivot])
            if above >= target { return work[pivot] }
            low = pivot + 1
        }
        work[low..<high].sort { $0.precedes($1) }
        for index in low..<high {
            above += measure(work[index])
            if above >= target { return work[index] }
        }
        // When the range was narrowed its mass sufficed; only rounding can lead here then.
        return high < work.count && high > 0 ? work[high - 1] : nil
    }

    /// Moves what precedes a pivot before it and the rest behind; where the pivot came to lie.
    private mutating func partition(_ low: Int, _ high: Int) -> Int {
        let middle = low + (high - low) / 2
        let last = high - 1
        if work[middle].precedes(work[low]) { work.swapAt(low, middle) }
        if work[last].precedes(work[low]) { work.swapAt(low, last) }
        if work[middle].precedes(work[last]) { work.swapAt(middle, last) }
        let pivot = work[last]
        var place = low
        for index in low..<last where work[index].precedes(pivot) {
            work.swapAt(place, index)
            place += 1
        }
        work.swapAt(place, last)
        return place
    }
}

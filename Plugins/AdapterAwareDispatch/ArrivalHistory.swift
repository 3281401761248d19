// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// How many requests came for each adapter and how long they were, each counting half after a
/// half-life. It decays where it is read: nothing runs over all adapters as time passes.
struct ArrivalHistory: Equatable {
    /// What came for one adapter, as it counted at `last`.
    struct Entry: Equatable {
        var adapter: AdapterID
        var arrivals: Double
        var tokens: Double
        var last: Instant
    }

    /// Adapters remembered at most; beyond, the less wanted half is forgotten.
    static let mostEntries = 65_536

    private let halfLife: Double
    private(set) var entries: [AdapterID: Entry] = [:]

    init(halfLife: Duration) { self.halfLife = halfLife.inSeconds }

    mutating func record(_ adapter: AdapterID, tokens: Int, at now: Instant) {
        guard var entry = decayed(adapter, at: now) else {
            if entries.count >= Self.mostEntries { forgetHalf(at: now) }
            entries[adapter] = Entry(
                adapter: adapter, arrivals: 1, tokens: Double(max(1, tokens)), last: now)
            return
        }
        entry.arrivals += 1
        entry.tokens += Double(max(1, tokens))
        entries[adapter] = entry
    }

    /// The entry as it counts now.
    func decayed(_ adapter: AdapterID, at now: Instant) -> Entry? {
        guard var entry = entries[adapter] else { return nil }
        let factor = halved(entry.last, at: now)
        entry.arrivals *= factor
        entry.tokens *= factor
        entry.last = max(entry.last, now)
        return entry
    }

    /// 2^(−age / halfLife), to twelve digits, without a mathematics library.
    private func halved(_ then: Instant, at now: Instant) -> Double {
        let halves = max(0, then.duration(to: now).inSeconds) / halfLife
        guard halves < 1_000 else { return 0 }
        let whole = halves.rounded(.down)
        let exponent = -(halves - whole) * 0.693_147_180_559_945_3
        var (term, sum) = (1.0, 1.0)
        for power in 1...12 {
            term *= exponent / Double(power)
            sum += term
        }
        return sum * Double(sign: .plus, exponent: -Int(whole), significand: 1)
    }

    /// Forgets adapters of which next to nothing is left.
    mutating func forget(below arrivals: Double, at now: Instant) {
        for adapter in Array(entries.keys)
        where (decayed(adapter, at: now)?.arrivals ?? 0) < arrivals {
            entries[adapter] = nil
        }
    }

    private mutating func forgetHalf(at now: Instant) {
        let sorted = entries.keys.compactMap { decayed($0, at: now) }
            .sorted { ($1.arrivals, $0.adapter) < ($0.arrivals, $1.adapter) }
        for entry in sorted.dropFirst(Self.mostEntries / 2) { entries[entry.adapter] = nil }
    }

    // MARK: - State

    private static let schema = "arrivals/1"
    private static let wordsPerEntry = 4

    /// Numbers of eight bytes each, the lowest byte first; entries by adapter.
    var exported: PolicyState {
        var bytes: [UInt8] = []
        for entry in entries.values.sorted(by: { $0.adapter < $1.adapter }) {
            let words = [
                UInt64(entry.adapter.rawValue), entry.arrivals.bitPattern, entry.tokens.bitPattern,
                UInt64(bitPattern: entry.last.nanoseconds),
            ]
            for word in words {
                bytes += (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
            }
        }
        return PolicyState(schema: Self.schema, bytes: bytes)
    }

    /// Takes what ``exported`` gave; nothing changes where that is damaged.
    mutating func take(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == Self.schema else {
            throw PolicyError(
                "adapter-aware-dispatch keeps '\(Self.schema)', not '\(state.schema)'")
        }
        let size = 8 * Self.wordsPerEntry
        guard state.bytes.count % size == 0, state.bytes.count / size <= Self.mostEntries else {
            throw PolicyError("the state has \(state.bytes.count) bytes: it is cut off or too long")
        }
        var read: [AdapterID: Entry] = [:]
        for start in stride(from: 0, to: state.bytes.count, by: size) {
            func word(_ number: Int) -> UInt64 {
                (0..<8).reduce(0) { $0 | UInt64(state.bytes[start + 8 * number + $1]) << (8 * $1) }
            }
            let arrivals = Double(bitPattern: word(1))
            let tokens = Double(bitPattern: word(2))
            guard let id = UInt32(exactly: word(0)), id > 0, (0...1e15).contains(arrivals),
                (0...1e24).contains(tokens)
            else { throw PolicyError("the state holds arrivals that cannot be") }
            let adapter = AdapterID(rawValue: id)
            let last = Instant(nanoseconds: Int64(bitPattern: word(3)))
            let entry = Entry(adapter: adapter, arrivals: arrivals, tokens: tokens, last: last)
            guard read.updateValue(entry, forKey: adapter) == nil else {
                throw PolicyError("the state holds adapter \(id) twice")
            }
        }
        entries = read
    }
}

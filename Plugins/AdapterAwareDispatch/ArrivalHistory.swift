// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// How often each adapter has been asked for lately, and how large requests are: exponentially weighted,
/// decayed only when looked at.
struct ArrivalHistory {
    private struct Entry {
        /// Arrivals, each halved for every half-life since.
        var weight: Double
        var last: Instant
    }

    /// The most adapters that are remembered.
    private static let mostEntries = 1 << 16

    /// Below this an adapter is as good as forgotten.
    private static let negligible = 1.0 / 1024

    private let halfLife: Double
    private var entries: [AdapterID: Entry] = [:]

    /// Tokens that a request may take in all, on the mean; 0 before the first.
    private(set) var footprint = 0.0
    private var arrivals = 0.0

    init(halfLife: Duration) { self.halfLife = max(1e-3, halfLife.inSeconds) }

    mutating func note(_ request: RequestSnapshot, at now: Instant) {
        let (tokens, overflow) = request.promptTokens.addingReportingOverflow(request.maximumTokens)
        arrivals = min(arrivals + 1, 1_000)
        footprint += (Double(overflow ? .max : tokens) - footprint) / arrivals
        guard !request.adapter.isBase else { return }
        if entries.count >= Self.mostEntries, entries[request.adapter] == nil { forget(at: now) }
        var entry = entries[request.adapter] ?? Entry(weight: 0, last: now)
        entry.weight = weight(of: entry, at: now) + 1
        entry.last = max(now, entry.last)
        entries[request.adapter] = entry
    }

    /// Requests per second on each adapter, decayed to `now`. Every adapter counts as if one request in
    /// a thousand were for it, so that one without a history has a place too.
    func rates(of adapters: [AdapterID], at now: Instant) -> [Double] {
        let weights = adapters.map { id in entries[id].map { weight(of: $0, at: now) } ?? 0 }
        let sum = weights.reduce(0, +)
        let prior = sum > 0 ? sum / 1_000 : 1
        // Of Poisson arrivals at rate r the weighted count is r * halfLife / ln 2.
        return weights.map { ($0 + prior) * 0.693_147_180_559_945_3 / halfLife }
    }

    private func weight(of entry: Entry, at now: Instant) -> Double {
        entry.weight * Self.half(max(0, entry.last.duration(to: now).inSeconds) / halfLife)
    }

    /// 2 to the power of -`exponent`, to seven digits; without a C library, which differs by machine.
    static func half(_ exponent: Double) -> Double {
        guard exponent < 1_000 else { return 0 }
        let whole = exponent.rounded(.down)
        let rest = (exponent - whole) * 0.693_147_180_559_945_3
        var term = 1.0
        var sum = 1.0
        for index in 1...9 {
            term *= rest / Double(index)
            sum += term
        }
        return Double(sign: .plus, exponent: -Int(whole), significand: 1) / sum
    }

    /// Forgets the adapters that nobody has asked for lately; all of the older half where that is nobody.
    private mutating func forget(at now: Instant) {
        let kept = entries.filter { weight(of: $0.value, at: now) > Self.negligible }
        guard kept.count == entries.count else { return entries = kept }
        let times = entries.values.map(\.last).sorted()
        let middle = times[times.count / 2]
        entries = entries.filter { $0.value.last > middle }
    }

    // MARK: - Bytes

    /// The mean footprint and its count, then for each adapter its number, its weight and its time.
    var bytes: [UInt8] {
        var words = [footprint.bitPattern, arrivals.bitPattern]
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
            words += [
                UInt64(id.rawValue), entry.weight.bitPattern,
                UInt64(bitPattern: entry.last.nanoseconds),
            ]
        }
        return words.flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
    }

    /// - Returns: `nil` where the bytes are none that ``bytes`` gives.
    init?(_ bytes: [UInt8], halfLife: Duration) {
        self.init(halfLife: halfLife)
        guard bytes.count >= 16, (bytes.count - 16).isMultiple(of: 24),
            (bytes.count - 16) / 24 <= Self.mostEntries
        else { return nil }
        let words = stride(from: 0, to: bytes.count, by: 8).map { start in
            (0..<8).reduce(0 as UInt64) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
        }
        footprint = Double(bitPattern: words[0])
        arrivals = Double(bitPattern: words[1])
        guard footprint.isFinite, footprint >= 0, (0...1_000).contains(arrivals) else { return nil }
        for start in stride(from: 2, to: words.count, by: 3) {
            let weight = Double(bitPattern: words[start + 1])
            guard let id = UInt32(exactly: words[start]), id > 0, weight.isFinite, weight >= 0,
                weight <= 1e12
            else { return nil }
            let last = Instant(nanoseconds: Int64(bitPattern: words[start + 2]))
            guard
                entries.updateValue(
                    Entry(weight: weight, last: last), forKey: AdapterID(rawValue: id)) == nil
            else { return nil }
        }
    }
}

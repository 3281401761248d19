// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// All that the policy remembers from one iteration to the next.
struct SwitchState: Equatable {
    private static let schema = "dlora/1"

    var mode = ModeSwitch.Mode.unmerged

    /// The adapter that would be merged already, were its copy ready.
    var awaited: AdapterID?

    var crowding = Crowding()
    var period = Period()
    var tuning: ThresholdTuning

    init(tuning: ThresholdTuning) { self.tuning = tuning }

    /// Nothing can run merged any more; what was learned stays.
    mutating func forgetMode() {
        mode = .unmerged
        awaited = nil
        period = Period()
    }

    /// The state as bytes: numbers of eight bytes each, the lowest byte first.
    var exported: PolicyState {
        var words: [UInt64] = [
            tuning.thresholds.alpha.bitPattern, tuning.thresholds.beta.bitPattern,
            (tuning.unmergedGain ?? 0).bitPattern, (tuning.mergedGain ?? 0).bitPattern,
        ]
        words += [crowding.first == nil ? 0 : 1, crowding.first?.rawValue ?? 0]
        for adapter in [mode.adapter, awaited, period.adapter] {
            words.append(UInt64(adapter?.rawValue ?? 0))
        }
        words.append(period.isCopyReady ? 1 : 0)
        let counts = [
            period.iterations, period.changes, period.merged.requests, period.unmerged.requests,
        ]
        words += counts.map { UInt64(clamping: $0) }
        words += [period.merged.seconds.bitPattern, period.unmerged.seconds.bitPattern]
        let bytes = words.flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
        return PolicyState(schema: Self.schema, bytes: bytes)
    }

    /// Takes what ``exported`` gave, as far as the parameters allow.
    mutating func take(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == Self.schema else {
            throw PolicyError("dlora-batching keeps '\(Self.schema)', not '\(state.schema)'")
        }
        var words = Words(state.bytes)
        var taken = self
        let thresholds = Thresholds(
            alpha: min(try words.nonNegative(), tuning.steps.ceiling),
            beta: max(try words.nonNegative(), Thresholds.lowest))
        guard thresholds.beta < thresholds.alpha else {
            throw PolicyError(
                "beta, \(thresholds.beta), is not less than alpha, \(thresholds.alpha)")
        }
        taken.tuning.thresholds = thresholds
        taken.tuning.unmergedGain = try words.positiveOrNone()
        taken.tuning.mergedGain = try words.positiveOrNone()
        let isCrowded = try words.count() == 1
        let first = try words.next()
        taken.crowding = Crowding(first: isCrowded ? RequestID(rawValue: first) : nil)
        taken.mode = try words.adapter().map { .merged($0) } ?? .unmerged
        taken.awaited = try words.adapter()
        taken.period.adapter = try words.adapter()
        taken.period.isCopyReady = try words.count() == 1
        taken.period.iterations = try words.count()
        taken.period.changes = try words.count()
        taken.period.merged.requests = try words.count()
        taken.period.unmerged.requests = try words.count()
        taken.period.merged.seconds = try words.nonNegative()
        taken.period.unmerged.seconds = try words.nonNegative()
        try words.end()
        self = taken
    }
}

/// Numbers read one after another.
private struct Words {
    /// More than anything that is counted, and far from overflow.
    private static let most: UInt64 = 1 << 48

    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() throws(PolicyError) -> UInt64 {
        guard bytes.count - offset >= 8 else { throw PolicyError("the state is too short") }
        defer { offset += 8 }
        return (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
    }

    mutating func count() throws(PolicyError) -> Int {
        let word = try next()
        guard word <= Self.most else { throw PolicyError("the state counts \(word) of something") }
        return Int(word)
    }

    mutating func adapter() throws(PolicyError) -> AdapterID? {
        let word = try next()
        guard let id = UInt32(exactly: word) else {
            throw PolicyError("the state names adapter \(word)")
        }
        return id == 0 ? nil : AdapterID(rawValue: id)
    }

    mutating func nonNegative() throws(PolicyError) -> Double {
        let number = Double(bitPattern: try next())
        guard number.isFinite, number >= 0 else {
            throw PolicyError("the state holds the number \(number)")
        }
        return number
    }

    mutating func positiveOrNone() throws(PolicyError) -> Double? {
        let number = try nonNegative()
        return number > 0 ? number : nil
    }

    func end() throws(PolicyError) {
        guard offset == bytes.count else { throw PolicyError("the state is too long") }
    }
}

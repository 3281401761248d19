// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Which iterations on merged copies have been measured, and whether others are worth trying.
///
/// While all iterations run unmerged, what adapters cost cannot be told from what rows cost: each
/// row has one. Mixed iterations tell them apart and serve everybody, but no machine is quite
/// linear: of merged ones the best evidence are merged ones, with about as many rows.
struct Trials: Equatable {
    /// Merged iterations by the power of two in the count of their rows.
    private(set) var merged = [Int](repeating: 0, count: Self.sizes)
    private(set) var mixed = 0

    /// Iterations since the last one on a copy.
    private(set) var age = 0

    /// After so many iterations the machine may have become another.
    private static let lifetime = 4_096
    private static let sizes = 16

    mutating func note(_ step: StepObservation) {
        age += 1
        switch step.mode {
        case .merged: merged[Self.size(step.served.count)] += 1
        case .mixed: mixed += 1
        case .unmerged:
            if age >= Self.lifetime { self = Trials() }
            return
        }
        age = 0
    }

    /// How `rows` of an adapter, of `batch` that could run, are to be tried next, or `nil` where
    /// enough is known; each is tried `needed` times.
    ///
    /// Merged iterations keep all others waiting, so they are tried only where these are the fewer.
    func wish(rows: Int, batch: Int, needed: Int) -> IterationKind? {
        if 2 * rows >= batch {
            let known = merged[Self.size(rows)...].reduce(0, +)
            return known < needed ? .merged : nil
        }
        return mixed + merged.reduce(0, +) < needed ? .mixed : nil
    }

    private static func size(_ rows: Int) -> Int {
        min(sizes - 1, Int.bitWidth - 1 - max(1, rows).leadingZeroBitCount)
    }
}

extension Trials {
    /// A layout of its own, for a reload.
    var bytes: [UInt8] { (merged + [mixed]).map { UInt8(min($0, 255)) } }

    init?(bytes: [UInt8]) {
        guard bytes.count == Self.sizes + 1 else { return nil }
        merged = bytes.dropLast().map(Int.init)
        mixed = Int(bytes[Self.sizes])
    }
}

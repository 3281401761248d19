// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import ManifestLoading

/// How a generation does: counts since the start of the host, and latencies of late.
nonisolated struct GenerationHealth: Sendable, Equatable {
    /// Strikes of policies that the generation has brought.
    var strikes = 0
    /// How often the built-in default took over from one of them.
    var fallBacks = 0
    var finished = 0
    var failed = 0
    /// The time between two tokens that one in a hundred exceeds, in seconds, and of how many.
    var tokenGap = 0.0
    var tokenGaps = 0
}

/// When a generation has not passed its probation.
nonisolated struct ProbationRules: Sendable, Equatable {
    /// How long it is watched.
    var seconds = 30.0
    /// The part of requests that may fail, once a few have.
    var failedShare = 0.05
    var fewFailures = 5
    /// How many times as long as before the gaps between tokens may be.
    var tokenGapFactor = 3.0
    /// Gaps that are compared on both sides at least, and what is too short to matter.
    var fewGaps = 200
    var shortGap = 0.05

    init() {}

    init(_ manifest: Manifest) {
        let reload = manifest.spec.reload
        seconds = reload.probation.value.seconds
        failedShare = reload.failedShare.value
        tokenGapFactor = reload.tokenGapFactor.value
    }

    /// Why the generation is to be taken back, or `nil`.
    func verdict(on health: GenerationHealth, after before: GenerationHealth) -> String? {
        if health.fallBacks > 0 {
            return "a policy lost its place after \(health.strikes) strikes"
        }
        let failed = health.failed - before.failed
        let ended = failed + health.finished - before.finished
        if failed >= fewFailures, Double(failed) > failedShare * Double(ended) {
            return "\(failed) of \(ended) requests failed"
        }
        guard min(health.tokenGaps, before.tokenGaps) >= fewGaps else { return nil }
        let most = max(before.tokenGap * tokenGapFactor, before.tokenGap + shortGap)
        guard health.tokenGap > most else { return nil }
        let (now, then) = (Self.milliseconds(health.tokenGap), Self.milliseconds(before.tokenGap))
        return
            "one in a hundred tokens comes \(now) ms after the one before, where it was \(then) ms"
    }

    private static func milliseconds(_ seconds: Double) -> String {
        String(format: "%.1f", seconds * 1000)
    }
}

/// The gaps between tokens of late, in a ring.
nonisolated struct TokenGaps: Sendable {
    static let capacity = 4096

    private var gaps: [Float] = []
    private var next = 0

    /// Gaps since the ring was last emptied.
    private(set) var count = 0

    mutating func note(_ gap: Duration) {
        let seconds = Float(gap.seconds)
        count += 1
        guard gaps.count == Self.capacity else { return gaps.append(seconds) }
        gaps[next] = seconds
        next = (next + 1) % Self.capacity
    }

    mutating func removeAll() {
        gaps.removeAll(keepingCapacity: true)
        next = 0
        count = 0
    }

    /// What one gap in a hundred exceeds; 0 without any.
    var highest: Double {
        guard !gaps.isEmpty else { return 0 }
        let sorted = gaps.sorted()
        return Double(sorted[min(sorted.count - 1, sorted.count * 99 / 100)])
    }
}

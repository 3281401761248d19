// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// How fast requests leave the queue while it is not empty, as measured, and when the next one that
/// is turned away may come back.
struct ServiceRate: Sendable, Equatable {
    /// How far back the measurement reaches.
    private static let memory = 30.0

    private var left = 0.0
    private var busySeconds = 0.0
    private var last: Instant?

    /// Requests turned away that may still come back: the next one stands behind them.
    private(set) var turnedAway = 0

    /// Requests per second, or `nil` before the first has left.
    var perSecond: Double? { left > 0 && busySeconds > 0 ? left / busySeconds : nil }

    /// Takes note that `began` requests left the queue for their first iteration; `wasBusy` tells
    /// whether any waited since the last call.
    mutating func observe(began: Int, wasBusy: Bool, at now: Instant) {
        let elapsed = last.map { max(0, $0.duration(to: now).inSeconds) } ?? 0
        last = now
        turnedAway = max(0, turnedAway - began)
        guard wasBusy else { return }
        let keep = Self.memory / (Self.memory + elapsed)
        left = left * keep + Double(began)
        busySeconds = busySeconds * keep + elapsed
    }

    /// A request is turned away: when a place is expected for it, behind those before it, of whom
    /// at most `limit` are remembered.
    mutating func turnAway(limit: Int) -> Duration? {
        turnedAway = min(turnedAway + 1, max(1, limit))
        return perSecond.map { Duration.clamping(seconds: Double(turnedAway) / $0) }
    }
}

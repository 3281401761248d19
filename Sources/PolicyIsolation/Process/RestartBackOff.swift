// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// When a process that ended may be started again: at once, then after waits that double.
package struct RestartBackOff: Sendable, Equatable {
    /// The wait after the second end in a row, and the longest.
    package static let first = Duration.seconds(1)
    package static let longest = Duration.seconds(60)

    /// Who has lived for so long is forgiven.
    package static let healthy = Duration.seconds(60)

    private var wait = Duration.zero
    private var until = Instant(nanoseconds: .min)

    package init() {}

    /// Takes note that a process which was started at `start` has ended.
    package mutating func ended(startedAt start: Instant, at now: Instant) {
        if start.duration(to: now) >= Self.healthy { wait = .zero }
        until = now.advanced(by: wait)
        wait = wait == .zero ? Self.first : min(wait * 2, Self.longest)
    }

    package func allowsStart(at now: Instant) -> Bool { now >= until }
}

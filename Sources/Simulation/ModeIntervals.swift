// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// How much time was spent in which mode when, over all replicas, in at most 512 intervals: they
/// become twice as long when there would be more.
package struct ModeIntervals: Sendable, Equatable {
    package static let mostIntervals = 512

    /// How long each interval is.
    package private(set) var interval = Duration.milliseconds(100)

    /// Time by mode, from the start on.
    package private(set) var intervals: [ModeTimes] = []

    package init() {}

    /// Adds an iteration.
    package mutating func add(_ mode: BatchMode, from begin: Instant, for time: Duration) {
        var nanoseconds = max(0, begin.nanoseconds)
        let end = begin.advanced(by: time).nanoseconds
        while end / width >= Int64(Self.mostIntervals) { coarsen() }
        while nanoseconds < end {
            let index = Int(nanoseconds / width)
            while intervals.count <= index { intervals.append(ModeTimes()) }
            let until = min(end, Int64(index + 1) * width)
            intervals[index].add(.nanoseconds(until - nanoseconds), in: mode)
            nanoseconds = until
        }
    }

    private var width: Int64 { interval.saturatingNanoseconds }

    private mutating func coarsen() {
        interval *= 2
        var halves: [ModeTimes] = []
        halves.reserveCapacity(Self.mostIntervals)
        for index in stride(from: 0, to: intervals.count, by: 2) {
            var sum = intervals[index]
            if index + 1 < intervals.count { sum += intervals[index + 1] }
            halves.append(sum)
        }
        intervals = halves
    }
}

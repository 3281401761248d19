// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// How long something takes per byte, as an exponentially weighted mean of what was measured.
package struct ByteRate: Sendable, Equatable {
    package private(set) var observations = 0
    private var seconds = 0.0
    private var bytes = 0.0

    package init() {}

    /// Seconds per byte, or `nil` before the first observation.
    package var secondsPerByte: Double? { bytes > 0 ? seconds / bytes : nil }

    /// The time for so many bytes, or `nil` before the first observation.
    package func predict(bytes count: Int) -> Duration? {
        secondsPerByte.map { Duration.clamping(seconds: $0 * Double(max(0, count))) }
    }

    /// Learns a measured time; nothing is learnt from no bytes or no time.
    package mutating func observe(bytes count: Int, took time: Duration) {
        guard count > 0, time > .zero else { return }
        let keep = 0.9
        seconds = seconds * keep + time.inSeconds
        bytes = bytes * keep + Double(count)
        observations = min(observations + 1, .max - 1)
    }
}

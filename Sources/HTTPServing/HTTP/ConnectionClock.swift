// SPDX-License-Identifier: Apache-2.0

/// The timeouts of a connection in nanoseconds.
nonisolated struct ConnectionTimes {
    let idle, header, body, writeStall, linger: UInt64

    init(_ limits: HTTPLimits) {
        idle = limits.idleTimeout.clampedNanoseconds
        header = limits.headerTimeout.clampedNanoseconds
        body = limits.bodyTimeout.clampedNanoseconds
        writeStall = limits.writeStallTimeout.clampedNanoseconds
        linger = limits.lingerTimeout.clampedNanoseconds
    }

    /// The shortest of them, by which the server chooses how often to look.
    var shortest: UInt64 { min(idle, header, body, writeStall, linger) }
}

/// When the phase of a connection ends, and whether the client still takes what is sent.
nonisolated struct ConnectionClock {
    /// When the phase has taken too long; `UInt64.max` when it may take any time.
    var phaseDeadline = UInt64.max
    /// Bytes that wait for the client, as last reported.
    private(set) var buffered = 0
    private var submittedBytes = 0
    private var takenBytes = 0
    private var progressTime: UInt64

    init(now: UInt64) { progressTime = now }

    /// `count` bytes were handed to the socket.
    mutating func submitted(_ count: Int, at now: UInt64) {
        if buffered == 0 { progressTime = now }
        submittedBytes += count
        buffered += count
    }

    /// Of all that was submitted, `buffered` bytes still wait.
    mutating func note(buffered: Int, at now: UInt64) {
        self.buffered = buffered
        guard submittedBytes - buffered > takenBytes else { return }
        takenBytes = submittedBytes - buffered
        progressTime = now
    }

    /// Whether bytes wait and none was taken for `limit` nanoseconds.
    func isStalled(at now: UInt64, limit: UInt64) -> Bool {
        buffered > 0 && now > progressTime && now - progressTime >= limit
    }
}

extension UInt64 {
    nonisolated func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

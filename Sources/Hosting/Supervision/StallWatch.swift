// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import LoopIO
internal import Supervision
internal import Synchronization

/// Decides when a policy that does not come back is worth a word.
nonisolated struct StallRules: Sendable {
    /// How long a call may take before it is a stall.
    var limit: Duration
    /// How often it is said again.
    var repetition = Duration.seconds(10)

    private var told: (thread: Int, since: UInt64, times: Int64)?

    init(limit: Duration) { self.limit = limit }

    /// - Parameters:
    ///   - culprit: who has been in a policy for the longest time.
    ///   - now: the time on the clock of `since`.
    ///   - lag: how late the watch itself is; the policy is not blamed for what held both up.
    /// - Returns: for how long the policy has not come back, if that is to be said now.
    mutating func stall(
        of culprit: CrashJournal.Culprit?, at now: UInt64, lag: Duration
    ) -> Duration? {
        guard let culprit, now > culprit.since else {
            told = nil
            return nil
        }
        let time = Duration.nanoseconds(Int64(clamping: now - culprit.since)) - lag
        guard time > limit else { return nil }
        var times: Int64 = 0
        if let told, told.thread == culprit.thread, told.since == culprit.since {
            times = told.times
        }
        guard time > limit + repetition * Int(times) else { return nil }
        told = (culprit.thread, culprit.since, times + 1)
        return time
    }
}

/// Watches from a thread of its own that policies come back: a loop that hangs can tell nobody.
nonisolated final class StallWatch: Sendable {
    private static let interval = Duration.milliseconds(100)

    private let isOver = Mutex(false)

    /// Starts to watch; `onStall` is called on the thread of the watch, with the policy and for how
    /// long it has not come back.
    init(
        _ journal: CrashJournal, limit: Duration,
        onStall: @escaping @Sendable (CrashJournal.Culprit, Duration) -> Void
    ) {
        let thread = Thread { [self] in
            var rules = StallRules(limit: limit)
            var due = EventLoop.now
            while !isOver.withLock({ $0 }) {
                due &+= 100_000_000
                let wait = due > EventLoop.now ? due - EventLoop.now : 0
                // A watch that waits for time to pass has nothing to wait for but time.
                usleep(UInt32(clamping: wait / 1000))
                let now = EventLoop.now
                let lag = now > due ? Duration.nanoseconds(Int64(clamping: now - due)) : .zero
                due = max(due, now)
                let culprit = journal.culprits.first
                if let culprit, let time = rules.stall(of: culprit, at: now, lag: lag) {
                    onStall(culprit, time)
                }
            }
        }
        thread.name = "stall-watch"
        thread.start()
    }

    func close() { isOver.withLock { $0 = true } }
}

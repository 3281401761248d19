// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Foundation
internal import Synchronization

/// A thread that takes jobs in the order in which they were handed over, and sleeps without any.
///
/// The loop hands out values and gets values back through a `LoopInbox`; this is the one place where
/// another thread of the host waits.
nonisolated final class JobThread<Job: Sendable>: Sendable {
    private struct Queue {
        var jobs: [Job] = []
        var isClosed = false
    }

    private let queue = Mutex(Queue())
    private let available = DispatchSemaphore(value: 0)

    /// Starts the thread, on which `body` runs: it takes jobs until `next` gives `nil`.
    init(name: String, body: @escaping @Sendable (_ jobs: JobThread<Job>) -> Void) {
        let thread = Thread { [self] in body(self) }
        thread.name = name
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Hands over a job; callable from any thread.
    func post(_ job: Job) {
        let isTaken = queue.withLock { queue in
            guard !queue.isClosed else { return false }
            queue.jobs.append(job)
            return true
        }
        if isTaken { available.signal() }
    }

    /// Lets the thread end after the jobs that it already has.
    func close() {
        queue.withLock { $0.isClosed = true }
        available.signal()
    }

    /// Whether no more jobs are taken; there may still be some.
    var isClosed: Bool { queue.withLock(\.isClosed) }

    /// The next job if there is one already; on the thread alone.
    func poll() -> Job? {
        guard available.wait(timeout: .now()) == .success else { return nil }
        let job = queue.withLock { $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }
        // That was the signal of the end, for which `next` waits.
        if job == nil { available.signal() }
        return job
    }

    /// The next job, as soon as there is one; `nil` when there will be none. On the thread alone.
    func next() -> Job? {
        while true {
            available.wait()
            let (job, isClosed) = queue.withLock { queue in
                (queue.jobs.isEmpty ? nil : queue.jobs.removeFirst(), queue.isClosed)
            }
            if let job { return job }
            if isClosed { return nil }
        }
    }
}

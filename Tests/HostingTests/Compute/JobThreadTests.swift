// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import Testing

@testable import Hosting

struct JobThreadTests {
    /// The jobs that a thread took which looks for more after each one, once it has ended.
    private func taken(_ jobs: [Int]) -> [Int] {
        let taken = Mutex<[Int]>([])
        let ended = DispatchSemaphore(value: 0)
        let thread = JobThread<Int>(name: "test") { jobs in
            while let job = jobs.next() {
                taken.withLock { $0.append(job) }
                while let more = jobs.poll() { taken.withLock { $0.append(more) } }
            }
            ended.signal()
        }
        for job in jobs { thread.post(job) }
        thread.close()
        thread.post(-1)
        ended.wait()
        #expect(thread.isClosed)
        return taken.withLock { $0 }
    }

    @Test func everyJobIsTakenOnceInItsOrder() {
        #expect(taken(Array(0..<100)) == Array(0..<100))
    }

    @Test func theEndIsNotMissedByLookingForMore() {
        for _ in 0..<50 { #expect(taken([7]) == [7]) }
    }

    @Test func aThreadWithoutJobsEnds() {
        #expect(taken([]) == [])
    }
}

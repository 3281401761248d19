// SPDX-License-Identifier: Apache-2.0
import Foundation
import LoopIO
import Testing

@MainActor
@Suite(.serialized)
struct LoopInboxTests {
    @Test func valuesOfEachThreadArriveInOrder() throws {
        struct Letter: Sendable { let sender, number: Int }
        let (senders, perSender) = (4, 5_000)
        let bench = try LoopBench()
        var received = [[Int]](repeating: [], count: senders)
        var batches = 0
        let inbox = try LoopInbox<Letter>(loop: bench.loop) { letters in
            batches += 1
            for letter in letters { received[letter.sender].append(letter.number) }
        }
        for sender in 0..<senders {
            Thread.detachNewThread {
                for number in 0..<perSender { inbox.post(Letter(sender: sender, number: number)) }
            }
        }
        try bench.run { received.allSatisfy { $0.count == perSender } }
        #expect(received.allSatisfy { $0 == Array(0..<perSender) })
        #expect(batches <= senders * perSender)
        inbox.close()
        try bench.close()
    }

    @Test func everySignalIsFollowedByACallback() throws {
        let bench = try LoopBench()
        var callbacks = 0
        let wakeup = try LoopWakeup(loop: bench.loop) { callbacks += 1 }
        for round in 1...20 {
            for _ in 0..<3 { wakeup.signal() }
            try bench.run { callbacks >= round }
        }
        #expect(callbacks <= 60)
        wakeup.close()
        try bench.close()
    }

    @Test func closedInboxTakesNothing() throws {
        let bench = try LoopBench()
        var received: [Int] = []
        let inbox = try LoopInbox<Int>(loop: bench.loop) { received += $0 }
        #expect(inbox.post(1))
        inbox.close()
        #expect(!inbox.post(2))
        inbox.close()
        try bench.close()
        #expect(!inbox.post(3))
        #expect(received.isEmpty)
    }
}

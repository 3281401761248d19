// SPDX-License-Identifier: Apache-2.0

import Supervision
import TestSupport
import Testing

/// What becomes of clients whose host dies.
struct ConnectionLedgerTests {
    private typealias Message = ControlMessage
    private typealias Disposition = ConnectionLedger.Disposition

    private static let request = Array("POST / HTTP/1.1\r\n\r\n".utf8)

    private static func asked(_ id: UInt64 = 1) -> [ControlMessage] {
        [.opened(id: id, peer: "p"), .asked(id: id, part: request, isLast: true)]
    }

    /// What the host has said of one client, and what is done when it dies.
    private static let cases: [([ControlMessage], ConnectionLedger.Disposition?)] = [
        ([.opened(id: 1, peer: "p")], .handOver(request: nil, peer: "p")),
        (asked(), .handOver(request: request, peer: "p")),
        (
            [
                .opened(id: 1, peer: "p"), .asked(id: 1, part: [1], isLast: false),
                .asked(id: 1, part: [2], isLast: true),
            ], .handOver(request: [1, 2], peer: "p")
        ),
        ([.opened(id: 1, peer: "p"), .asked(id: 1, part: [1], isLast: false)], .refuse),
        (
            [
                .opened(id: 1, peer: "p"), .reading(id: 1, part: [1]), .reading(id: 1, part: [2]),
            ], .handOver(request: [1, 2], peer: "p")
        ),
        (
            [.opened(id: 1, peer: "p"), .reading(id: 1, part: [1])]
                + [.asked(id: 1, part: request, isLast: true)],
            .handOver(request: request, peer: "p")
        ),
        (asked() + [.began(id: 1, .whole)], .cutOff),
        (asked() + [.began(id: 1, .chunkedEvents)], .endStream(.chunkedEvents)),
        (asked() + [.began(id: 1, .plainEvents)], .endStream(.plainEvents)),
        (
            asked() + [.began(id: 1, .whole), .answered(id: 1)],
            .handOver(request: nil, peer: "p")
        ),
        (asked() + [.closed(id: 1)], nil),
        ([.asked(id: 1, part: request, isLast: true)], nil),
        ([.listening, .ready, .handedOver], nil),
    ]

    @Test(arguments: cases.indices)
    func eachClientIsDealtWith(_ index: Int) {
        let (messages, expected) = Self.cases[index]
        var ledger = ConnectionLedger()
        for message in messages { ledger.note(message) }
        let result = ledger.hostDied()
        #expect(result.map(\.disposition) == (expected.map { [$0] } ?? []))
    }

    @Test func aRequestIsTriedAgainOnce() {
        var ledger = ConnectionLedger()
        for message in Self.asked() { ledger.note(message) }
        #expect(ledger.hostDied().first?.disposition == .handOver(request: Self.request, peer: "p"))
        // The next host reads it, says so, and dies of it as well.
        ledger.note(.asked(id: 1, part: Self.request, isLast: true))
        #expect(ledger.hostDied().first?.disposition == .refuse)
        #expect(ledger.count == 0)
    }

    @Test func anAnswerMakesGoodForAnotherRequest() {
        var ledger = ConnectionLedger()
        for message in Self.asked() { ledger.note(message) }
        _ = ledger.hostDied()
        ledger.note(.asked(id: 1, part: Self.request, isLast: true))
        ledger.note(.began(id: 1, .whole))
        ledger.note(.answered(id: 1))
        ledger.note(.asked(id: 1, part: [7], isLast: true))
        #expect(ledger.hostDied().first?.disposition == .handOver(request: [7], peer: "p"))
    }

    @Test(arguments: [
        ControlMessage.listening, .ready, .handedOver, .opened(id: 1 << 40, peer: "127.0.0.1:9"),
        .asked(id: 7, part: [1, 2, 3], isLast: true), .asked(id: 7, part: [], isLast: false),
        .reading(id: 7, part: [9]), .began(id: .max, .chunkedEvents), .answered(id: 0),
        .closed(id: 3),
    ])
    func messagesComeBackAsTheyWere(_ message: ControlMessage) {
        #expect(ControlMessage(message.bytes) == message)
    }

    @Test func noBytesHarmTheReader() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            var ledger = ConnectionLedger()
            if let message = ControlMessage(bytes) {
                #expect(ControlMessage(message.bytes) != nil)
                ledger.note(message)
            }
            _ = ledger.hostDied()
        }
    }

    @Test func descriptorsAndLongRequestsPassTheSocket() throws {
        let (left, right) = try #require(ControlSocket.pair())
        #expect(left.send(.opened(id: 5, peer: "x"), with: 1))
        let received = try #require(right.receive())
        #expect(received.message == .opened(id: 5, peer: "x") && received.descriptor != nil)
        let request = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        var ledger = ConnectionLedger()
        ledger.note(received.message)
        left.send(request, of: 5)
        for _ in 0..<4 {
            if let part = right.receive() { ledger.note(part.message) }
        }
        #expect(ledger.hostDied().first?.disposition == .handOver(request: request, peer: "x"))
    }

    @Test func theJournalNamesWhoIsInAPolicy() throws {
        let journal = try #require(CrashJournal())
        journal.name(3, "batching policy 'w'")
        journal.name(4, String(repeating: "x", count: 1000))
        #expect(journal.culprits.isEmpty)
        journal.enter(4, thread: 1, at: 20)
        journal.enter(3, thread: 0, at: 10)
        #expect(journal.culprits.map(\.since) == [10, 20])
        #expect(journal.culprits.first?.name == "batching policy 'w'")
        journal.leave(thread: 0)
        #expect(journal.culprits.map(\.thread) == [1])
        // What there is no room for is left out.
        journal.enter(1, thread: 5000, at: 1)
        journal.name(5000, "nobody")
        journal.clear()
        #expect(journal.culprits.isEmpty)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import Hosting

/// The requests of the last ten minutes.
struct WorkloadRingTests {
    private static func entry(_ id: Int, at seconds: Int) -> WorkloadRing.Entry {
        WorkloadRing.Entry(
            id: id, arrival: Instant(nanoseconds: Int64(seconds) * 1_000_000_000),
            adapter: id % 2 == 0 ? nil : "tax", choices: [.init(prompt: 8, output: 0)])
    }

    private static func lines(
        _ ring: WorkloadRing, at seconds: Int, progress: (Int) -> [Int] = { _ in [] }
    ) -> [Substring] {
        let now = Instant(nanoseconds: Int64(seconds) * 1_000_000_000)
        guard let begin = ring.begin(at: now) else { return [] }
        var lines = WorkloadLines(since: begin.arrival)
        var bytes = lines.head(adapters: ["tax"])
        for entry in ring.slice(from: begin.id, most: .max >> 1) {
            bytes += lines.lines(of: entry, progress: progress)
        }
        bytes += lines.tail(after: ring.mostAge)
        return Substring(String(decoding: bytes, as: UTF8.self)).split(separator: "\n")
    }

    @Test func itIsBoundedByNumberAndByTime() {
        var ring = WorkloadRing(mostAge: .seconds(600), mostRequests: 100)
        for id in 0..<10_000 { ring.came(Self.entry(id, at: id / 100)) }
        #expect(ring.count == 100)
        #expect(ring.begin(at: Instant(nanoseconds: 100_000_000_000))?.id == 9_900)
        #expect(ring.slice(from: 9_950, most: 10).map(\.id) == Array(9_950..<9_960))
        #expect(ring.slice(from: 0, most: 1).first?.id == 9_900 && ring.last == 9_999)
        ring.came(Self.entry(10_000, at: 900))
        #expect(ring.count == 1, "what came before is more than ten minutes old")
        #expect(ring.begin(at: Instant(nanoseconds: 1_600_000_000_000)) == nil)
    }

    @Test func whatEndedHasWhatWasObserved() {
        var ring = WorkloadRing()
        for id in 1...4 { ring.came(Self.entry(id, at: id)) }
        ring.ended(1) { entry in
            entry.choices[0].output = 5
            entry.firstToken = .milliseconds(20)
            entry.latency = .milliseconds(90)
            entry.state = .finished
        }
        ring.ended(2) { $0.state = .failed }
        ring.ended(77) { $0.state = .finished }
        let lines = Self.lines(ring, at: 10) { id in id == 3 ? [2] : [] }
        #expect(lines.joined(separator: "\n") == Self.exported)
    }

    private static let exported = #"""
        {"adapters":["tax"]}
        {"at":0,"adapter":"tax","prompt":8,"output":5,"tenant":0,"weight":1.0,"firstToken":20000000,"latency":90000000}
        {"at":2000000000,"adapter":"tax","prompt":8,"output":2,"tenant":0,"weight":1.0,"unfinished":true}
        {"at":3000000000,"adapter":null,"prompt":8,"output":1,"tenant":0,"weight":1.0,"unfinished":true}
        {"end":"what came in the last 600 s","requests":3,"leftOut":1,"unfinished":0}
        """#

    @Test func ofSeveralChoicesNobodyKnowsWhichWasFirst() {
        var ring = WorkloadRing()
        var entry = Self.entry(1, at: 0)
        entry.choices.append(.init(prompt: 8, output: 0))
        ring.came(entry)
        ring.ended(1) { entry in
            entry.firstToken = .milliseconds(20)
            entry.latency = .milliseconds(90)
            entry.state = .finished
        }
        let lines = Self.lines(ring, at: 1)
        #expect(lines.count == 4 && lines.allSatisfy { !$0.contains("latency") })
    }
}

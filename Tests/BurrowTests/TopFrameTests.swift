// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Hosting
@testable import burrow

@Suite struct TopFrameTests {
    private func frame(
        _ columns: Int, _ rows: Int, replicas: Int = 1, adapters: Int = 2,
        _ change: (inout TopFrame) -> Void = { _ in }
    ) -> [String] {
        var frame = TopFrame(
            current: TopFixtures.status(replicas: replicas, adapters: adapters),
            size: .init(columns: columns, rows: rows))
        change(&frame)
        return frame.lines.map(\.text)
    }

    @Test func usualTerminalShowsEverything() {
        let lines = frame(80, 24) { frame in
            var earlier = TopFixtures.status(at: 98)
            earlier.replicas[0].counts.generatedTokens = 4000
            earlier.replicas[0].counts.promptTokens = 999
            frame.previous = earlier
        }
        #expect(lines.count == 24 && lines[12..<23].allSatisfy(\.isEmpty))
        #expect(lines[23] == "q quit   s sort: requests   p pause")
        #expect(
            lines.prefix(12) == [
                "quick: sample, bf16, up 1m 40s, generation 3, 3 requests",
                "",
                "REPLICA  MODE                 RUN  WAIT    KV  TOK/S  PROMPT/S  MERGED",
                "      0  merged on adapter-1    2     1  25 %    500      0.50  1/1 adapter-1 +…",
                "",
                "ADAPTER    WHERE             REQUESTS  NOW  TOK/MIN  LOADS  RANK  WEIGHT",
                "adapter-1  resident                10    3       30      1     8       1",
                "adapter-0  pinned, resident         0    0      900      1     8       1",
                "",
                "POLICY  KIND      REPLICA  CALLS  A CALL  LONGEST  STRIKES  STATE",
                "switch  batching        0     2k   25 us     1 ms        0  active",
                "spread  dispatch      all      0     0 s      0 s        3  back in 12 s",
            ])
    }

    @Test(
        arguments: [(80, 24), (140, 50), (40, 10), (20, 5), (1, 1), (300, 3), (80, 2)],
        [(1, 0), (1, 2), (4, 40), (64, 300)])
    func everyFrameFits(_ size: (Int, Int), _ counts: (Int, Int)) {
        let lines = frame(size.0, size.1, replicas: counts.0, adapters: counts.1)
        #expect(lines.count <= size.1)
        #expect(lines.allSatisfy { $0.count <= size.0 }, "\(lines)")
    }

    @Test func sectionsShareARowThatIsShort() {
        let lines = frame(40, 10, replicas: 4, adapters: 9)
        #expect(
            lines == [
                "quick: sample, bf16, up 1m 40s, generat…",
                "REPLICA  MODE            RUN  WAIT    KV",
                "      0  merged on ada…    2     1  25 %",
                "… 3 more",
                "ADAPTER    WHERE           REQUESTS  NOW",
                "adapter-8  4 of 4                80    0",
                "… 8 more",
                "POLICY  KIND      CALLS  A CALL  STATE",
                "… 2 more",
                "q quit   s sort: requests   p pause",
            ])
    }

    @Test(arguments: [
        (TopOrder.requests, ["adapter-2", "adapter-1", "adapter-0"]),
        (.tokens, ["adapter-0", "adapter-1", "adapter-2"]),
        (.queue, ["adapter-1", "adapter-0", "adapter-2"]),
    ])
    func adaptersAreOrdered(_ order: TopOrder, _ names: [String]) {
        let lines = frame(80, 40, adapters: 3) { $0.order = order }
        let shown = lines.filter { $0.hasPrefix("adapter-") }.map { String($0.prefix(9)) }
        #expect(shown == names)
        #expect(lines.last?.contains("sort: \(order.rawValue)") == true)
    }

    @Test func anotherProcessHasNoRate() {
        let lines = frame(80, 24) { frame in
            frame.previous = TopFixtures.status(at: 98)
            frame.previous?.processIdentifier = 8
        }
        #expect(lines[3].contains("25 %      -         -  1/1"), "\(lines[3])")
    }

    @Test func namesCannotSteerTheTerminal() {
        let lines = frame(80, 24) { frame in
            frame.current.adapters[0].name = "a\u{1B}[2Jb"
            frame.current.name = "x\ny"
        }
        #expect(lines.allSatisfy { !$0.contains("\u{1B}") && !$0.contains("\n") })
        #expect(lines.contains { $0.hasPrefix("a?[2Jb") })
    }

    @Test func stillPictureIsWholeAndHasNoKeys() {
        let lines = frame(80, .max, adapters: 100) { $0.isStill = true }
        #expect(lines.count { $0.hasPrefix("adapter-") } == 100)
        #expect(!lines.contains { $0.contains("quit") })
    }

    @Test func stateOfTheHostIsNamed() {
        let lines = frame(80, 24) { frame in
            frame.current.isDraining = true
            frame.isPaused = true
        }
        #expect(lines[0].hasSuffix("generation 3, 3 requests, draining, paused"))
        #expect(lines.last == "q quit   s sort: requests   p go on")
    }

    @Test(arguments: [
        ([3, 4, 6], 8, [3, 3, 2]), ([2, 9, 9], 8, [2, 3, 3]), ([2, 2], 9, [2, 2]), ([5], 0, [0]),
        ([], 4, []),
    ])
    func rowsAreShared(_ wanted: [Int], _ rows: Int, _ given: [Int]) {
        #expect(TopFrame.shares(of: wanted, in: rows) == given)
    }
}

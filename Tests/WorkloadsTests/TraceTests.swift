// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import Workloads

struct TraceTests {
    /// A file of its own that is gone when the body has returned.
    private func withFile<Value>(
        _ text: String, _ body: (String) throws -> Value
    ) throws -> Value {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "burrow-\(UUID().uuidString)")
        try Data(text.utf8).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        return try body(url.path)
    }

    private static let azure = """
        TIMESTAMP,ContextTokens,GeneratedTokens
        2023-11-16 23:59:59.9799600,4808,10
        2023-11-17 00:00:00.0319600,3180,8
        2023-11-17 00:00:01,110,27\r

        2023-12-01 00:00:01.5,7,1
        """

    @Test func azureTracesAreRead() throws {
        let requests = try withFile(Self.azure) { path in
            var replay = TraceReplay(path)
            replay.popularity = .distinct
            replay.adapters = 3
            return try replay.requests(seed: 1)
        }
        #expect(
            requests.map { $0.arrival } == [
                .zero, .nanoseconds(52_000_000), .nanoseconds(1_020_040_000),
                .seconds(14 * 86_400) + .nanoseconds(1_520_040_000),
            ])
        #expect(requests.map(\.promptTokens) == [4808, 3180, 110, 7])
        #expect(requests.map(\.outputTokens) == [10, 8, 27, 1])
        #expect(requests.map(\.adapter) == [0, 1, 2, 0])
    }

    @Test func whatAHostObservedComesThrough() throws {
        var seen = RequestObservation()
        seen.tenant = 3
        seen.weight = 2.5
        seen.target = .milliseconds(500)
        seen.mostTokens = 64
        seen.firstToken = .microseconds(1500)
        seen.latency = .milliseconds(90)
        var open = RequestObservation()
        open.isUnfinished = true
        let requests = [
            ObservedRequest(
                PlannedRequest(
                    arrival: .zero, adapter: 2, promptTokens: 7, outputTokens: 9), seen),
            ObservedRequest(
                PlannedRequest(
                    arrival: .seconds(1), adapter: -1, promptTokens: 1, outputTokens: 1), open),
        ]
        let text = ([TraceLine.header] + requests.map { TraceLine.text(of: $0) })
            .joined(separator: "\n")
        let read = try withFile(text) { try ObservedWorkload(trace: $0) }
        #expect(read == ObservedWorkload(requests) && read.adapters == 3)
        let replayed = try withFile(text) { path in
            var replay = TraceReplay(path)
            replay.adapters = 3
            return try replay.requests(seed: 1)
        }
        #expect(replayed == requests.map(\.planned), "a replay passes over it")
        for fault in ["\"weight\":0", "\"tenant\":-1", "\"latency\":0.5", "\"late\":1"] {
            let line = "{\"at\":0,\"prompt\":1,\"output\":1,\(fault)}"
            #expect(throws: WorkloadError.self, "\(fault)") {
                try withFile("\(TraceLine.header)\n\(line)") { try ObservedWorkload(trace: $0) }
            }
        }
    }

    @Test func timesAndLengthsAreScaled() throws {
        let requests = try withFile(Self.azure) { path in
            var replay = TraceReplay(path)
            replay.speed = 2
            replay.lengthScale = 0.125
            replay.count = 3
            replay.limits = LengthLimits(prompt: 500, total: 501)
            return try replay.requests(seed: 1)
        }
        #expect(
            requests.map { $0.arrival } == [
                .zero, .nanoseconds(26_000_000), .nanoseconds(510_020_000),
            ])
        #expect(requests.map(\.promptTokens) == [500, 398, 14])
        #expect(requests.map(\.outputTokens) == [1, 1, 3])
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        var workload = Workload()
        workload.adapters = 5
        workload.lengths = .independent(prompt: .uniform(1...900), output: .uniform(1...90))
        workload.end = .count(3000)
        let requests = workload.requests(seed: 12)
        let text = ([TraceLine.header] + requests.map(TraceLine.text)).joined(separator: "\n")
        let read = try withFile(text) { path in
            var replay = TraceReplay(path)
            replay.adapters = 5
            return try replay.requests(seed: 3)
        }
        #expect(read.count == requests.count)
        let different = zip(read, requests).first { $0 != $1 }
        #expect(different == nil)
        let lengths = try withFile(text) { path in
            try RequestLengths(parsing: "trace:\(path)*0.5")
        }
        guard case .recorded(let recorded, let scale) = lengths else {
            Issue.record("not recorded lengths: \(lengths)")
            return
        }
        #expect(recorded.pairs.count == 3000 && scale == 0.5)
    }

    static let faulty: [(String, line: Int, message: String)] = [
        ("", 1, "expected 'TIMESTAMP,ContextTokens,GeneratedTokens' as Azure LLM 2023 begins"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n1,2\n", 2, "expected 3 values"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nnow,2,3\n", 2, "TIMESTAMP 'now' is no time"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-13-16 18:17:03.97,2,3", 2,
            "TIMESTAMP '2023-13-16 18:17:03.97' is no time"
        ),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,0,3", 2,
            "ContextTokens '0' is no number of tokens"
        ),
        (
            """
            TIMESTAMP,ContextTokens,GeneratedTokens
            2023-11-16 18:17:03.97,1,3
            2023-11-16 18:17:03.96,1,3
            """, 3, "it comes before the request in front of it"
        ),
        (TraceLine.header + "\n{\"at\":1,\"prompt\":2}", 2, "'output' is missing"),
        (TraceLine.header + "\n{\"at\":1.5,\"prompt\":2,\"output\":1}", 2, "'at' is 1.5"),
        (TraceLine.header + "\n\n{\"at\":1", 3, "expected"),
        (TraceLine.header + "\n[]", 2, "expected an object"),
        (
            TraceLine.header + "\n{\"at\":1,\"prompt\":2,\"output\":1,\"model\":1}", 2,
            "unknown key 'model'"
        ),
        (TraceLine.header + "\n" + String(repeating: "1", count: 200_000), 2, "the line is longer"),
    ]

    @Test(arguments: faulty)
    func faultsAreReportedWithTheirLine(_ text: String, _ line: Int, _ message: String) throws {
        try withFile(text) { path in
            do throws(WorkloadError) {
                _ = try TraceReplay(path).requests(seed: 1)
                Issue.record("nothing was thrown")
            } catch {
                #expect(error.line == line && error.file == path)
                #expect(error.message.contains(message), "\(error)")
            }
        }
    }

    @Test func missingFilesAndFoldersAreRefused() {
        for path in ["/no/such/file", FileManager.default.temporaryDirectory.path] {
            #expect(throws: WorkloadError.self) { try TraceReplay(path).requests(seed: 1) }
        }
    }

    @Test func functionsAreCounted() throws {
        let text = """
            app,func,end_timestamp,duration
            a,f,0.1,0.1
            a,g,0.1,0.1
            b,f,0.2,0.1
            a,f,0.3,0.1
            a,f,0.4,0.1
            b,f,0.5,0.1
            """
        let popularity = try withFile(text) { try Popularity(parsing: "stride:1:\($0)") }
        #expect(popularity.shares(of: 3).map { $0 * 6 } == [3, 2, 1])
        #expect(throws: WorkloadError.self) {
            try withFile("a,b\n") { try Popularity(parsing: "stride:1:\($0)") }
        }
    }

    @Test func damagedTracesAreRefusedWithoutATrap() throws {
        let seeds = [
            Array(Self.azure.utf8),
            Array(
                (TraceLine.header + "\n{\"at\":1,\"adapter\":0,\"prompt\":2,\"output\":1}\n").utf8),
        ]
        try FuzzRun(seconds: 0.3, seed: 2).forEachRound { random, _ in
            var bytes = seeds[random.below(2)]
            for _ in 0...random.below(4) {
                bytes[random.below(bytes.count)] = UInt8(random.below(256))
            }
            try withFile(String(decoding: bytes, as: UTF8.self)) { path in
                _ = try? TraceReplay(path).requests(seed: 1)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import LoadGeneration
import TestSupport
import Testing
import Workloads

struct EventStreamTests {
    private func events(_ pieces: [[UInt8]]) -> [String] {
        var parser = EventStreamParser()
        var events: [String] = []
        for piece in pieces {
            let goesOn = piece.withUnsafeBytes { bytes in
                parser.take(bytes) { events.append(String(decoding: $0, as: UTF8.self)) }
            }
            #expect(goesOn)
        }
        return events
    }

    static let streams: [(String, [String])] = [
        ("data: a\n\ndata: b\n\n", ["a", "b"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        ("data: a\r\rdata: b\r\r", ["a", "b"]),
        ("data:a\n\ndata:  b\n\n", ["a", " b"]),
        (": a comment\n\nevent: x\nid: 1\ndata: a\nretry: 3\n\n", ["a"]),
        ("data: a\ndata: b\n\n", ["a\nb"]),
        ("data\n\n", [""]),
        ("data: \n\n", [""]),
        ("database: a\n\n", []),
        ("event: x\n\n", []),
        ("data: cut off\n", []),
        ("\u{FEFF}data: ä\n\n\n\ndata: 雪\n\n", ["ä", "雪"]),
    ]

    /// In two pieces wherever they part, and byte by byte.
    @Test(arguments: streams)
    func eventsAreTheSameHoweverTheBytesCome(_ text: String, _ expected: [String]) {
        let bytes = Array(text.utf8)
        for cut in 0...bytes.count {
            #expect(events([Array(bytes[..<cut]), Array(bytes[cut...])]) == expected, "at \(cut)")
        }
        #expect(events(bytes.map { [$0] }) == expected)
    }

    @Test func aLineWithoutEndIsGivenUp() {
        var parser = EventStreamParser()
        let block = [UInt8](repeating: 0x61, count: 1 << 20)
        let taken = (0..<5).map { _ in block.withUnsafeBytes { parser.take($0) { _ in } } }
        #expect(taken == [true, true, true, true, false])
    }

    @Test func anEventWithoutEndIsGivenUp() {
        var parser = EventStreamParser()
        let line = Array(("data: " + String(repeating: "x", count: 1 << 20) + "\n").utf8)
        let taken = (0..<5).map { _ in line.withUnsafeBytes { parser.take($0) { _ in } } }
        #expect(taken.last == false)
    }

    static let chunks: [(String, StreamedChunk)] = [
        ("[DONE]", .done),
        (
            Events.token("a"),
            .choices(hasContent: true, tokens: nil, isFinished: false, usage: nil)
        ),
        (
            Events.token("", finish: "length"),
            .choices(hasContent: false, tokens: nil, isFinished: true, usage: nil)
        ),
        (
            #"{"choices":[{"text":"","token_ids":[3,4],"finish_reason":null}]}"#,
            .choices(hasContent: true, tokens: 2, isFinished: false, usage: nil)
        ),
        (
            #"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            .choices(hasContent: false, tokens: nil, isFinished: false, usage: nil)
        ),
        (
            #"{"choices":[{"delta":{"content":"a"}}]}"#,
            .choices(hasContent: true, tokens: nil, isFinished: false, usage: nil)
        ),
        (
            #"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#,
            .choices(hasContent: true, tokens: nil, isFinished: false, usage: nil)
        ),
        (
            Events.usage(prompt: 5, output: 9),
            .choices(
                hasContent: false, tokens: nil, isFinished: false,
                usage: StreamedUsage(promptTokens: 5, outputTokens: 9))
        ),
        (
            Events.usage(prompt: -5, output: 9),
            .choices(hasContent: false, tokens: nil, isFinished: false, usage: nil)
        ),
        (#"{"error":{"message":"no"}}"#, .error("no")), (#"{"error":"no"}"#, .error("no")),
        ("[]", .malformed("an event is an array, not an object")),
        ("{}", .malformed("an event has no 'choices'")),
    ]

    @Test(arguments: chunks)
    func chunksSayWhatTheyMean(_ data: String, _ expected: StreamedChunk) {
        #expect(StreamedChunk(Array(data.utf8)) == expected)
    }

    @Test func whatIsNoJSONIsMalformed() {
        guard case .malformed = StreamedChunk(Array(#"{"choices":["#.utf8)) else {
            Issue.record("half a document was taken")
            return
        }
    }

    /// Damaged streams in random pieces: an outcome comes out whose numbers make sense.
    @Test func damageNeverTraps() {
        let good = Events.answer(6).map { "data: \($0)\n\n" }.joined()
        let mutator = ByteMutator(pieces: ["\n", "\r", "\n\n", "data:", "[DONE]", "{", "}", "null"])
        FuzzRun(seconds: 0.3, seed: 5).forEachRound { random, seed in
            var bytes = mutator.mutate(Array(good.utf8), with: &random)[...]
            var reply = StreamedReply(
                RequestOutcome(
                    adapter: 0, arrival: .zero, promptTokens: 3, requestedTokens: 6),
                sentAt: .milliseconds(1))
            var time = 1
            while !bytes.isEmpty {
                let piece = bytes.prefix(1 + random.below(60))
                bytes = bytes.dropFirst(piece.count)
                time += 1
                let goesOn = Array(piece).withUnsafeBytes {
                    reply.take($0, status: 200, at: .milliseconds(time))
                }
                if !goesOn { break }
            }
            let outcome = reply.complete(status: 200, at: .milliseconds(time + 1))
            let first = outcome.firstToken ?? .zero
            #expect(outcome.outputTokens >= 0 && first <= outcome.ended, "seed \(seed)")
            #expect(outcome.failure == nil || reply.detail != nil, "seed \(seed)")
            #expect(outcome.lastToken ?? first >= first, "seed \(seed)")
        }
    }
}

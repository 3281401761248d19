// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import HTTPServing

/// Mutated requests never trap, never exceed a bound, and mean the same however they are cut.
struct ConnectionFuzzTests {
    private static let mutator = ByteMutator(
        pieces: [
            "\r\n", "\r", "\n", " ", "\t", ":", "\0", "%", "%00", "%c3", ";", "0\r\n\r\n", "GET ",
            "#", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "ffffffff", "HTTP/1.1",
            "\u{ff}", "Connection: close\r\n", "Expect: 100-continue\r\n", "Host: b\r\n",
            "99999999999999999999",
        ], edits: 0...4)

    @Test func mutatedInputIsHarmless() {
        FuzzRun(seconds: 1.5).forEachRound(check)
    }

    private func check(_ random: inout SeededRandom, seed: UInt64) {
        let bytes = Self.mutated(&random)
        var limits = HTTPLimits()
        limits.bodyBytes = 40
        limits.headerBytes = 400
        limits.headerCount = 8
        var whole = MachineBench(limits: limits)
        whole.receive(bytes)
        var cut = MachineBench(limits: limits)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...rest.count, using: &random)
            cut.receive(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        // Whether a client waits for 100 depends on the cuts; all else must be the same.
        #expect(Self.comparable(whole) == Self.comparable(cut), "seed \(seed)")
        for request in whole.requests {
            #expect(request.body.count <= 40, "seed \(seed)")
            #expect(request.headers.fields.count <= 8, "seed \(seed)")
            #expect(request.path.hasPrefix("/") || request.path == "*", "seed \(seed)")
            let texts = [request.path] + request.headers.fields.flatMap { [$0.name, $0.value] }
            let isClean = texts.allSatisfy { $0.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x09 } }
            #expect(isClean, "seed \(seed)")
        }
        #expect(
            whole.machine.faultCount == (whole.outline.contains { $0 >= "400" && $0 < "6" } ? 1 : 0)
        )
        whole.change { $0.peerEnded() }
        #expect(whole.isClosed, "seed \(seed)")
    }

    private static func comparable(_ bench: MachineBench) -> [MachineBench.Event] {
        RequestParsingTests.merged(bench.events).map { event in
            guard case .wrote(let text) = event else { return event }
            return .wrote(text.replacingOccurrences(of: "HTTP/1.1 100 Continue\r\n\r\n", with: ""))
        }
    }

    private static func mutated(_ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let sample = RequestParsingTests.accepted.randomElement(using: &random)
            bytes += Array((sample?.text ?? "").utf8)
        }
        return mutator.mutate(bytes, with: &random)
    }
}

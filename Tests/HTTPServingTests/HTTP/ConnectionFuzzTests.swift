// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import HTTPServing

/// Mutated requests never trap, never exceed a bound, and mean the same however they are cut.
///
/// `BURROW_FUZZ_SECONDS` lengthens the run, `BURROW_FUZZ_SEED` repeats one.
struct ConnectionFuzzTests {
    private static let pieces = [
        "\r\n", "\r", "\n", " ", "\t", ":", "\0", "%", "%00", "%c3", ";", "0\r\n\r\n", "GET ", "#",
        "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "ffffffff", "HTTP/1.1", "\u{ff}",
        "Connection: close\r\n", "Expect: 100-continue\r\n", "Host: b\r\n", "99999999999999999999",
    ]

    @Test func mutatedInputIsHarmless() {
        let environment = ProcessInfo.processInfo.environment
        let seconds = environment["BURROW_FUZZ_SECONDS"].flatMap(Double.init) ?? 1.5
        var seed =
            environment["BURROW_FUZZ_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0 ... .max)
        let deadline = Date(timeIntervalSinceNow: seconds)
        repeat {
            check(seed: seed)
            seed &+= 1
        } while Date() < deadline
    }

    private func check(seed: UInt64) {
        var random = SplitMix64(state: seed)
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

    private static func mutated(_ random: inout SplitMix64) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let sample = RequestParsingTests.accepted.randomElement(using: &random)
            bytes += Array((sample?.text ?? "").utf8)
        }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: place)
            case 2:
                let end = min(place + Int.random(in: 1...20, using: &random), bytes.count)
                bytes.insert(contentsOf: bytes[place..<end], at: place)
            default:
                let piece = pieces.randomElement(using: &random) ?? ""
                bytes.insert(contentsOf: Array(piece.utf8), at: place)
            }
            if bytes.isEmpty { bytes = [0] }
        }
        return bytes
    }
}

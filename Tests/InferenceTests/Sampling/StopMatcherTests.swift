// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import Inference

struct StopMatcherTests {
    /// The text up to the first stop string to be complete, by trying every prefix.
    private func reference(
        _ text: String, _ stops: [String], includesStop: Bool
    ) -> (text: String, stop: String?) {
        let bytes = Array(text.utf8)
        for end in 0...bytes.count {
            let complete = stops.filter {
                bytes[..<end].suffix($0.utf8.count) == ArraySlice($0.utf8)
            }
            guard let stop = complete.max(by: { $0.utf8.count < $1.utf8.count }) else { continue }
            let shown = includesStop ? end : end - stop.utf8.count
            return (String(decoding: bytes[..<shown], as: UTF8.self), stop)
        }
        return (text, nil)
    }

    private func run(
        _ pieces: [String], _ stops: [String], includesStop: Bool
    ) throws -> (text: String, stop: String?) {
        var matcher = try StopMatcher(stops, includesStop: includesStop)
        var shown = ""
        var found: String?
        for piece in pieces {
            let output = matcher.feed(piece)
            shown += output.text
            found = found ?? output.stop
        }
        return (shown + matcher.finish(), found)
    }

    /// The text cut after each character whose bit is set.
    private func pieces(_ text: String, cuts: Int) -> [String] {
        var pieces = [""]
        for (index, scalar) in text.unicodeScalars.enumerated() {
            pieces[pieces.count - 1].unicodeScalars.append(scalar)
            if cuts >> index & 1 == 1 { pieces.append("") }
        }
        return pieces
    }

    @Test(arguments: [
        ("hello END", ["END"]), ("aaabaaab", ["aab"]), ("ababac", ["abac", "bab"]),
        ("xxENDyy", ["END"]), ("abc", ["b", "ab"]), ("abcd", ["bcd", "abc"]), ("nothing", ["END"]),
        ("EEEND", ["END"]), ("EN", ["END"]), ("né😀x", ["😀"]), ("ééè", ["éè"]),
        ("\n\n\nQ:", ["\n\nQ:"]),
        ("e\u{301}x", ["\u{301}"]), ("", ["a"]), ("abcab", []),
    ])
    func theResultDoesNotDependOnTheCuts(text: String, stops: [String]) throws {
        for includesStop in [false, true] {
            let expected = reference(text, stops, includesStop: includesStop)
            for cuts in 0..<(1 << max(text.unicodeScalars.count - 1, 0)) {
                let found = try run(
                    pieces(text, cuts: cuts), stops, includesStop: includesStop)
                #expect(Array(found.text.utf8) == Array(expected.text.utf8), "cuts \(cuts)")
                #expect(found.stop == expected.stop, "cuts \(cuts)")
            }
        }
    }

    @Test func randomTextsAndStopsAgreeWithTheReference() throws {
        var random = SeededRandom(seed: 61)
        for _ in 0..<1500 {
            func word(_ longest: UInt64) -> String {
                String(
                    (0..<1 + random.next() % longest).map { _ in
                        "abc".randomElement(using: &random)!
                    })
            }
            let stops = (0..<1 + random.next() % 3).map { _ in word(5) }
            let text = word(24)
            let cuts = Int(truncatingIfNeeded: random.next())
            let expected = reference(text, stops, includesStop: false)
            let found = try run(pieces(text, cuts: cuts), stops, includesStop: false)
            #expect(found == expected, "\(text) \(stops)")
        }
    }

    @Test func onlyWhatCouldBeginAStopIsHeldBack() throws {
        var matcher = try StopMatcher(["END", "NEXT"])
        #expect(matcher.feed("some E").text == "some ")
        #expect(matcher.feed("N").text == "")
        #expect(matcher.feed("x").text == "ENx")
        #expect(matcher.feed("EN").text == "")
        // "N" alone could still begin the other one.
        #expect(matcher.feed("E").text == "E")
        #expect(matcher.finish() == "NE")
        #expect(matcher.stop == nil)
    }

    @Test func nothingIsShownAfterTheStop() throws {
        var matcher = try StopMatcher(["."], includesStop: true)
        #expect(matcher.feed("One. Two") == StopMatcher.Output(text: "One.", stop: "."))
        #expect(matcher.feed("three") == StopMatcher.Output(text: "", stop: "."))
        #expect(matcher.finish() == "")
    }

    @Test func piecesBeforeTheMinimumDoNotStop() throws {
        var matcher = try StopMatcher(["ab"])
        #expect(matcher.pass("xab") == "xab")
        #expect(matcher.feed("a").text == "")
        #expect(matcher.pass("b") == "ab")
        #expect(matcher.feed("b").stop == nil)
        #expect(matcher.feed("ab").stop == "ab")
    }

    @Test func tooManyEmptyOrOverlongStopsAreRefused() {
        for stops in [
            [""], [String](repeating: "a", count: 65), [String(repeating: "a", count: 1025)],
        ] {
            let error = samplingError { _ = try StopMatcher(stops) }
            #expect(error?.parameter == "stop")
        }
    }

    @Test func aMatcherGoesOnAfterBeingEncoded() throws {
        var matcher = try StopMatcher(["STOP"])
        #expect(matcher.feed("go ST").text == "go ")
        var moved = try JSONDecoder().decode(StopMatcher.self, from: JSONEncoder().encode(matcher))
        #expect(moved == matcher)
        #expect(moved.feed("OP!").stop == "STOP")
        let ended = try JSONDecoder().decode(StopMatcher.self, from: JSONEncoder().encode(moved))
        #expect(ended.stop == "STOP")
        let forged = #"{"stops": ["STOP"], "includesStop": false, "pending": "x"}"#
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(StopMatcher.self, from: Data(forged.utf8))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyIsolation
import PolicyKit
import Testing

struct RestartBackOffTests {
    private static func at(_ seconds: Int) -> Instant {
        Instant(nanoseconds: Int64(seconds) * 1_000_000_000)
    }

    @Test func theFirstRestartIsAtOnceAndLaterOnesWaitTwiceAsLongEachTime() {
        var backOff = RestartBackOff()
        #expect(backOff.allowsStart(at: Self.at(0)))
        var now = 0
        for wait in [0, 1, 2, 4, 8, 16, 32, 60, 60] {
            backOff.ended(startedAt: Self.at(now), at: Self.at(now + 1))
            now += 1
            if wait > 0 { #expect(!backOff.allowsStart(at: Self.at(now + wait - 1))) }
            now += wait
            #expect(backOff.allowsStart(at: Self.at(now)))
        }
    }

    @Test func whoHasLivedForAMinuteIsForgiven() {
        var backOff = RestartBackOff()
        for _ in 0..<5 { backOff.ended(startedAt: Self.at(0), at: Self.at(1)) }
        #expect(!backOff.allowsStart(at: Self.at(8)))
        backOff.ended(startedAt: Self.at(100), at: Self.at(160))
        #expect(backOff.allowsStart(at: Self.at(160)))
    }
}

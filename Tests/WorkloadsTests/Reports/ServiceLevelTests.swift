// SPDX-License-Identifier: Apache-2.0

import Testing
import Workloads

struct ServiceLevelTests {
    @Test func everyTargetIsRead() throws {
        let level = try ServiceLevel(parsing: "ttft:500ms,tpot:50000us,normalised:0.5s,e2e:2m")
        #expect(level.firstToken == .milliseconds(500))
        #expect(level.perOutputToken == .milliseconds(50))
        #expect(level.normalised == .milliseconds(500))
        #expect(level.endToEnd == .seconds(120))
        #expect(try ServiceLevel(parsing: level.text) == level)
    }

    @Test(arguments: [
        "", "ttft", "ttft:", "ttft:5", "ttft:-5ms", "ttft:0s", "ttft:nans", "ttft:1e9s", "ttft:.s",
        "ttft:1s,", "ttft:1s,ttft:2s", "speed:1s", "ttft:500000m", "ttft:1٣s",
    ])
    func whatIsNoTargetIsRefused(_ text: String) {
        #expect(throws: ReportError.self) { try ServiceLevel(parsing: text) }
    }

    /// Arrives at 0, first token at 100 ms, last at 400 ms, 4 tokens: 100 ms between tokens,
    /// 100 ms of latency a token.
    @Test(arguments: [
        ("ttft:100ms", true), ("ttft:99ms", false), ("tpot:100ms", true), ("tpot:99ms", false),
        ("normalised:100ms", true), ("normalised:99ms", false), ("e2e:400ms", true),
        ("e2e:399ms", false), ("ttft:100ms,tpot:99ms", false), ("ttft:1s,tpot:1s,e2e:1s", true),
    ])
    func aLimitIsMetUpToItself(_ text: String, _ isMet: Bool) throws {
        let level = try ServiceLevel(parsing: text)
        #expect(level.isMet(by: .at(0, first: 100, last: 400, tokens: 4)) == isMet)
    }

    @Test func whatFailedMeetsNothing() throws {
        #expect(!ServiceLevel().isMet(by: .at(0, first: 1, last: nil)))
        #expect(
            !(try ServiceLevel(parsing: "e2e:1m")).isMet(
                by: .at(0, first: 1, last: 2, failure: "timeout")))
    }

    @Test func oneTokenHasNoTimePerToken() throws {
        #expect(try ServiceLevel(parsing: "tpot:1us").isMet(by: .at(0, first: 5, last: 5)))
    }
}

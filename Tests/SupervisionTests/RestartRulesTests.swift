// SPDX-License-Identifier: Apache-2.0

import Supervision
import Testing

/// Whether a host that ended is started again.
struct RestartRulesTests {
    @Test(arguments: [
        (HostEnd.exited(0), true, false, RestartRules.Decision.end(0)),
        (.exited(78), false, false, .end(78)), (.exited(1), true, true, .end(1)),
        (.killed(15), true, true, .end(143)), (.exited(1), true, false, .restart(after: 0)),
        (.killed(11), true, false, .restart(after: 0)),
        (.killed(11), false, false, .restart(after: 0)),
    ])
    func oneEnd(
        _ end: HostEnd, _ wasReady: Bool, _ isEnding: Bool, _ decision: RestartRules.Decision
    ) {
        var rules = RestartRules()
        let made = rules.ended(
            end, ran: 100, wasReady: wasReady, isEnding: isEnding, hasCulprit: false)
        #expect(made == decision)
    }

    @Test func quickCrashesWaitLongerAndAreGivenUp() {
        var rules = RestartRules()
        func crash(after ran: Double, hasCulprit: Bool = false) -> RestartRules.Decision {
            rules.ended(
                .killed(11), ran: ran, wasReady: true, isEnding: false, hasCulprit: hasCulprit)
        }
        let delays: [Double] = [0, 1, 2, 4, 8]
        for delay in delays { #expect(crash(after: 1) == .restart(after: delay)) }
        #expect(crash(after: 1) == .end(139))
        // One that ran for long begins anew, and so does one whose culprit is known.
        #expect(crash(after: 60) == .restart(after: 0))
        #expect(crash(after: 1) == .restart(after: 1))
        #expect(crash(after: 1, hasCulprit: true) == .restart(after: 0))
        #expect(crash(after: 1) == .restart(after: 0))
    }
}

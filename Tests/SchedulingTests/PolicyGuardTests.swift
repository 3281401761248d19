// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

/// The ladder from a strike to the built-in default and back, in virtual time.
struct PolicyGuardTests {
    private func guarded(
        _ clock: @escaping PolicyClock = { .start }
    ) -> PolicyGuard<String> {
        PolicyGuard(
            NamedPolicy(name: "mine", policy: "mine"),
            builtIn: NamedPolicy(name: "default", policy: "default"), kind: .batching,
            rules: ContainmentRules(), clock: clock)
    }

    /// Makes one call that goes wrong or well, and says who answered.
    private func call(
        _ guarded: inout PolicyGuard<String>, at seconds: Double, isGood: Bool = true
    ) -> String {
        var call = guarded.begin(at: .seconds(seconds))
        guarded.returned(&call)
        guarded.settle(call, fault: isGood ? nil : (.threw, "no"), at: .seconds(seconds))
        return call.policy
    }

    private enum Step {
        case good(Double, by: String)
        case bad(Double, by: String)
    }

    private func check(_ steps: [Step], location: SourceLocation = #_sourceLocation) {
        var guarded = guarded()
        for (index, step) in steps.enumerated() {
            switch step {
            case .good(let time, let expected):
                let who = call(&guarded, at: time)
                #expect(who == expected, "step \(index)", sourceLocation: location)
            case .bad(let time, let expected):
                let who = call(&guarded, at: time, isGood: false)
                #expect(who == expected, "step \(index)", sourceLocation: location)
            }
        }
    }

    @Test
    func threeStrikesInTenSecondsBringTheDefaultForThirty() {
        check([
            .bad(0, by: "mine"), .bad(4, by: "mine"), .bad(9, by: "mine"),
            .good(9.1, by: "default"), .bad(38.9, by: "default"), .good(39, by: "mine"),
        ])
    }

    @Test
    func strikesFurtherApartAreForgiven() {
        check([
            .bad(0, by: "mine"), .bad(6, by: "mine"), .bad(11, by: "mine"),
            .bad(17, by: "mine"), .good(18, by: "mine"),
        ])
    }

    @Test
    func oneStrikeOnTrialDoublesTheCoolDown() {
        check([
            .bad(0, by: "mine"), .bad(0, by: "mine"), .bad(0, by: "mine"),
            .bad(30, by: "mine"), .good(89, by: "default"), .bad(90, by: "mine"),
            .good(209, by: "default"), .good(210, by: "mine"),
        ])
    }

    @Test
    func theCoolDownStopsAtTenMinutes() {
        var guarded = guarded()
        for _ in 0..<3 { _ = call(&guarded, at: 0, isGood: false) }
        var now = 30.0
        var coolDowns: [Double] = []
        for _ in 0..<7 {
            _ = call(&guarded, at: now, isGood: false)
            guard case .fallenBack(let until) = guarded.status.state else { break }
            coolDowns.append(Double(until.nanoseconds) / 1e9 - now)
            now = Double(until.nanoseconds) / 1e9
        }
        #expect(coolDowns == [60, 120, 240, 480, 600, 600, 600])
    }

    @Test
    func whoStaysWellBeginsAnew() {
        var guarded = guarded()
        for _ in 0..<3 { _ = call(&guarded, at: 0, isGood: false) }
        #expect(call(&guarded, at: 30) == "mine")
        #expect(guarded.status.state == .trial)
        #expect(call(&guarded, at: 41) == "mine")
        #expect(guarded.status.state == .active)
        // Thirty seconds well: the next cool-down is thirty seconds again, not sixty.
        _ = call(&guarded, at: 71)
        for _ in 0..<3 { _ = call(&guarded, at: 72, isGood: false) }
        #expect(guarded.status.state == .fallenBack(until: .seconds(102)))
        #expect(guarded.status.fallBacks == 2)
    }

    @Test
    func anOverrunKeepsTheAnswerAndIsAStrike() {
        nonisolated(unsafe) var clock = Instant.start
        var guarded = guarded { clock }
        var call = guarded.begin(at: .start)
        clock = clock.advanced(by: .milliseconds(2))
        guarded.returned(&call)
        #expect(guarded.settle(call, at: .start) == false)
        #expect(call.policy == "mine")
        #expect(guarded.status.strikes == 1)
        #expect(guarded.status.lastStrike?.fault == .overran)
        #expect(guarded.status.time == .milliseconds(2))
    }

    @Test
    func timeAfterTheCallIsNotOnThePolicysAccount() {
        nonisolated(unsafe) var clock = Instant.start
        var guarded = guarded { clock }
        var call = guarded.begin(at: .start)
        clock = clock.advanced(by: .microseconds(900))
        guarded.returned(&call)
        clock = clock.advanced(by: .seconds(9))
        guarded.settle(call, at: .start)
        #expect(guarded.status.strikes == 0)
        #expect(guarded.status.longestCall == .microseconds(900))
    }

    @Test
    func aBadAnswerThatIsLateIsOneStrike() {
        nonisolated(unsafe) var clock = Instant.start
        var guarded = guarded { clock }
        var call = guarded.begin(at: .start)
        clock = clock.advanced(by: .seconds(1))
        guarded.returned(&call)
        guarded.settle(call, fault: (.badAnswer, "twice"), at: .start)
        #expect(guarded.status.strikes == 1)
        #expect(guarded.status.lastStrike?.message == "twice")
    }

    @Test
    func aClockThatStandsOrRunsBackHarmsNobody() {
        nonisolated(unsafe) var clock = Instant.seconds(5)
        var guarded = guarded { clock }
        var call = guarded.begin(at: .seconds(5))
        clock = .seconds(4)
        guarded.returned(&call)
        guarded.settle(call, at: .seconds(4))
        #expect(guarded.status.strikes == 0)
        #expect(guarded.status.time == .zero)
    }

    @Test
    func theDefaultItselfIsNeverSetAside() {
        nonisolated(unsafe) var clock = Instant.start
        var guarded = PolicyGuard<String>(
            nil, builtIn: NamedPolicy(name: "default", policy: "default"), kind: .fairness,
            rules: ContainmentRules(), clock: { clock })
        for _ in 0..<10 {
            var call = guarded.begin(at: .start)
            clock = clock.advanced(by: .seconds(1))
            guarded.returned(&call)
            guarded.settle(call, at: .start)
        }
        #expect(guarded.status.state == .active)
        #expect(guarded.status.name == "default")
        #expect((guarded.status.strikes, guarded.status.calls) == (0, 10))
    }
}

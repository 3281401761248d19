// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Hosting

/// What happens to wishes for a change, one event after the other.
struct ReloadMachineTests {
    private typealias Action = ReloadMachine.Action

    private static func wish(
        _ ticket: Int, _ origin: ReloadOrigin = .admin, base: String? = nil, isPlan: Bool = false
    ) -> ReloadWish {
        ReloadWish(ticket: ticket, origin: origin, base: base, isPlan: isPlan)
    }

    private func machine() -> ReloadMachine {
        ReloadMachine(rules: ProbationRules(), digest: "a")
    }

    @Test func oneWishGoesAllTheWay() {
        var machine = machine()
        let wish = Self.wish(1)
        #expect(machine.wish(wish) == [.build(wish)])
        #expect(machine.built(.candidate) == [.commit(wish)])
        machine.committed("b", health: GenerationHealth(), at: 0)
        #expect(machine.digest == "b" && machine.isBusy && machine.isOnProbation)
        #expect(machine.acknowledged() == [.answer(wish, .live)])
        #expect(!machine.isBusy)
    }

    @Test(arguments: [
        (ReloadMachine.Built.unchanged, ReloadMachine.Answer.unchanged), (.refused, .refused),
    ])
    func whatIsNotBuiltChangesNothing(
        _ built: ReloadMachine.Built, _ answer: ReloadMachine.Answer
    ) {
        var machine = machine()
        let wish = Self.wish(1)
        _ = machine.wish(wish)
        #expect(machine.built(built) == [.answer(wish, answer)])
        #expect(machine.digest == "a" && !machine.isBusy && !machine.isOnProbation)
    }

    @Test func aPlanIsBuiltAndDropped() {
        var machine = machine()
        let plan = Self.wish(1, isPlan: true)
        #expect(machine.wish(plan) == [.build(plan)])
        #expect(machine.built(.candidate) == [.answer(plan, .planned)])
        #expect(machine.digest == "a" && !machine.isBusy)
    }

    @Test func ofThoseThatWaitTheNewestWins() {
        var machine = machine()
        let wishes = (1...4).map { Self.wish($0) }
        #expect(machine.wish(wishes[0]) == [.build(wishes[0])])
        #expect(machine.wish(wishes[1]) == [])
        #expect(machine.wish(wishes[2]) == [.answer(wishes[1], .superseded)])
        #expect(machine.wish(wishes[3]) == [.answer(wishes[2], .superseded)])
        #expect(
            machine.built(.refused) == [.answer(wishes[0], .refused), .build(wishes[3])])
    }

    @Test func aStaleWishIsRefusedBeforeAndAfterItWasBuilt() {
        var machine = machine()
        let late = Self.wish(1, base: "z")
        #expect(machine.wish(late) == [.answer(late, .stale(live: "a"))])
        let first = Self.wish(2)
        let second = Self.wish(3, base: "a")
        _ = machine.wish(first)
        #expect(machine.wish(second) == [])
        _ = machine.built(.candidate)
        machine.committed("b", health: GenerationHealth(), at: 0)
        #expect(
            machine.acknowledged() == [
                .answer(first, .live), .answer(second, .stale(live: "b")),
            ])
        #expect(!machine.isBusy)
        // A reset in between makes what is being built stale as well.
        let third = Self.wish(4, base: "b")
        _ = machine.wish(third)
        machine.reset(to: "c")
        #expect(machine.built(.candidate) == [.answer(third, .stale(live: "c"))])
    }

    @Test func aCommitThatFailsIsARefusal() {
        var machine = machine()
        let wishes = [Self.wish(1), Self.wish(2)]
        _ = machine.wish(wishes[0])
        _ = machine.wish(wishes[1])
        _ = machine.built(.candidate)
        #expect(
            machine.commitFailed() == [.answer(wishes[0], .refused), .build(wishes[1])])
        #expect(machine.digest == "a")
    }

    // MARK: - Probation

    private func live(_ origin: ReloadOrigin = .admin) -> ReloadMachine {
        var machine = machine()
        _ = machine.wish(Self.wish(1, origin))
        _ = machine.built(.candidate)
        var before = GenerationHealth()
        before.tokenGap = 0.02
        before.tokenGaps = 1000
        before.finished = 100
        machine.committed("b", health: before, at: 100)
        _ = machine.acknowledged()
        return machine
    }

    @Test func whoDoesWellSettles() {
        var machine = live()
        var health = GenerationHealth()
        health.finished = 200
        #expect(machine.observe(health, at: 129) == [])
        #expect(machine.isOnProbation)
        #expect(machine.observe(health, at: 130) == [.settle])
        #expect(machine.observe(health, at: 131) == [] && !machine.isOnProbation)
    }

    private static let ills: [(String, @Sendable (inout GenerationHealth) -> Void, Bool)] = [
        ("a strike", { $0.strikes = 2 }, false),
        ("its place lost", { $0.fallBacks = 1 }, true),
        ("a few failures", { ($0.failed, $0.finished) = (4, 101) }, false),
        ("many failures", { ($0.failed, $0.finished) = (6, 150) }, true),
        ("many failures of very many", { ($0.failed, $0.finished) = (6, 1000) }, false),
        ("short gaps", { ($0.tokenGap, $0.tokenGaps) = (0.065, 1000) }, false),
        ("long gaps", { ($0.tokenGap, $0.tokenGaps) = (0.08, 1000) }, true),
        ("too few long gaps", { ($0.tokenGap, $0.tokenGaps) = (5, 100) }, false),
    ]

    @Test(arguments: ills.indices)
    func whoDoesBadlyIsTakenBack(_ index: Int) {
        let (name, change, isBad) = Self.ills[index]
        var machine = live()
        var health = GenerationHealth()
        health.finished = 100
        change(&health)
        let actions = machine.observe(health, at: 101)
        if case .rollBack = actions.first {
            #expect(isBad, "\(name): \(actions)")
            #expect(!machine.isOnProbation)
        } else {
            #expect(!isBad && actions.isEmpty, "\(name)")
        }
    }

    @Test func whatARollbackBringsIsNotWatched() {
        var machine = live(.probation)
        var health = GenerationHealth()
        health.fallBacks = 1
        #expect(machine.observe(health, at: 101) == [])
    }

    @Test func theHistoryForgetsTheOldestAndKnowsWhereToGoBackTo() throws {
        var history = GenerationHistory()
        let facts = try ReloadFixture.facts("limits: {queue: 5}")
        for number in 1...20 {
            var record = GenerationRecord(
                number: number, outcome: .probation, origin: .admin, file: "m", digest: "\(number)",
                at: 0)
            record.outcome = .live
            history.commit(record, facts)
        }
        #expect(history.live == 20 && history.nextNumber == 21)
        #expect(history.previous == Array((12...19).reversed()))
        #expect(history.rollbackTarget == 19)
        history.change(19) { $0.outcome = .rolledBack }
        #expect(history.rollbackTarget == 18)
        #expect(history.records.filter { $0.outcome == .live }.map(\.number) == [20])
        for _ in 0..<100 {
            history.note(
                GenerationRecord(outcome: .rejected, origin: .watch, file: "m", at: 0))
        }
        #expect(history.records.count == GenerationHistory.mostRecords)
    }
}

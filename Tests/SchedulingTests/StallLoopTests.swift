// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport
import Testing

/// The stall budget with a whole replica around it and a machine whose costs it must learn.
struct StallLoopTests {
    /// A replica that serves a random load in virtual time.
    private struct Loop {
        var scheduler: ReplicaScheduler
        var machine: SimulatedMachine
        var now = Instant.start
        var steps = 0

        /// Of the steps after the warm-up: those that requests which decode waited for, and those
        /// of them over the bound.
        var watched = 0
        var over = 0
        var longest = Duration.zero

        init(bound: Duration?, machine: SimulatedMachine) {
            var configuration = ReplicaConfiguration(
                id: replica(0), batchRequests: 16, batchTokens: 512, pages: 4_000,
                adapterBytes: 100)
            configuration.stallBudget = bound
            scheduler = ReplicaScheduler(configuration, clock: { .start })
            self.machine = machine
            for id in 1...6 as ClosedRange<UInt32> {
                let rank = [8, 16, 64][Int(id) % 3]
                self.machine.ranks[adapter(id)] = rank
                _ = scheduler.register(
                    AdapterDescription(id: adapter(id), bytes: 10, rank: rank), at: now)
            }
        }

        mutating func submit(_ request: NewRequest) {
            #expect(scheduler.submit(request, at: now) == nil)
            for action in scheduler.takeActions() {
                guard case .load(let id) = action else { continue }
                _ = scheduler.adapterLoaded(id, bytes: 10, time: .milliseconds(1), at: now)
            }
        }

        /// - Returns: whether there was anything to do.
        mutating func step() -> Bool {
            guard let plan = scheduler.planStep(at: now) else { return false }
            let time = machine.time(of: plan)
            let before = (scheduler.counters.watchedSteps, scheduler.counters.stepsOverStallBudget)
            now = now.advanced(by: time)
            _ = scheduler.complete(StepOutcome(number: plan.number, stepTime: time), at: now)
            steps += 1
            guard steps > 60 else { return true }
            watched += scheduler.counters.watchedSteps - before.0
            let isOver = scheduler.counters.stepsOverStallBudget > before.1
            over += isOver ? 1 : 0
            if plan.entries.contains(where: { $0.tokens == 1 && $0.samples }) {
                longest = max(longest, time)
            }
            return true
        }
    }

    /// Requests with long and short prompts, about as many as the machine can serve.
    private func load(seed: UInt64) -> [NewRequest] {
        var random = SeededRandom(seed: seed &+ 1_000)
        var arrival = Instant.start
        return (1...150 as ClosedRange<UInt64>).map { id in
            arrival = arrival.advanced(by: .milliseconds(random.below(900)))
            var new = NewRequest(
                id: request(id), adapter: adapter(UInt32(random.below(7))), arrival: arrival,
                promptTokens: random.chance(30) ? 200 + random.below(1_500) : 5 + random.below(80))
            new.maximumTokens = 5 + random.below(60)
            return new
        }
    }

    private func serve(_ requests: [NewRequest], in loop: inout Loop) {
        var next = 0
        for _ in 0..<200_000 {
            while next < requests.count, requests[next].arrival <= loop.now {
                loop.submit(requests[next])
                next += 1
            }
            if loop.step() { continue }
            guard next < requests.count else { return }
            loop.now = requests[next].arrival
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func fewStepsAreOverTheBoundAndEverythingIsServed(seed: UInt64) {
        let machine = SimulatedMachine(seed: seed)
        let bound = machine.plain(rows: 16, promptTokens: 64)
        let requests = load(seed: seed)
        var free = Loop(bound: nil, machine: machine)
        serve(requests, in: &free)
        var bounded = Loop(bound: bound, machine: machine)
        serve(requests, in: &bounded)
        let share = Double(bounded.over) / Double(max(1, bounded.watched))
        let slowdown =
            Instant.start.duration(to: bounded.now) / Instant.start.duration(to: free.now)
        print(
            """
            seed \(seed): \(bounded.over) of \(bounded.watched) steps over \(bound), the longest \
            \(bounded.longest), without a bound \(free.longest); \(slowdown) times as long
            """)
        #expect(bounded.scheduler.counters.finished == requests.count, "seed \(seed)")
        #expect(free.scheduler.counters.finished == requests.count, "seed \(seed)")
        #expect(share < 0.08, "seed \(seed)")
        #expect(slowdown < 1.35, "seed \(seed)")
        #expect(bounded.longest < free.longest, "seed \(seed): the bound changes nothing")
        #expect(
            bounded.scheduler.costs.steps.relativeError < 0.2,
            "seed \(seed): steps that are all alike must not unlearn the costs")
    }

    @Test(arguments: 0..<5 as Range<UInt64>)
    func promptsEndUnderABoundThatCannotBeKept(seed: UInt64) {
        var loop = Loop(bound: .milliseconds(1), machine: SimulatedMachine(seed: seed))
        serve(load(seed: seed), in: &loop)
        #expect(loop.scheduler.counters.finished == 150, "seed \(seed)")
    }

    @Test
    func aPromptAloneIsNotCutUp() {
        var loop = Loop(bound: .milliseconds(20), machine: SimulatedMachine(seed: 1))
        loop.submit(NewRequest(id: request(1), arrival: .start, promptTokens: 700))
        let plan = loop.scheduler.planStep(at: .start)
        #expect(plan?.entries.map(\.tokens) == [512])
        #expect(loop.scheduler.tokenLimit == 512)
    }

    @Test
    func draftsKeepToTheLimitToo() {
        for (bound, drafts) in [(Duration.milliseconds(1), 16), (nil, 40)] {
            var loop = Loop(bound: bound, machine: SimulatedMachine(seed: 1))
            var new = NewRequest(id: request(1), arrival: .start, promptTokens: 10)
            new.maximumTokens = 100
            loop.submit(new)
            let hasStepped = loop.step()
            #expect(hasStepped)
            let plan = loop.scheduler.planStep(at: .start, drafts: [request(1): 40])
            #expect(plan?.entries.map(\.drafts) == [drafts])
        }
    }

    @Test
    func policiesSeeTheLimitAndObeyWithoutKnowing() {
        var loop = Loop(bound: .milliseconds(1), machine: SimulatedMachine(seed: 1))
        loop.submit(NewRequest(id: request(1), arrival: .start, promptTokens: 10))
        let hasStepped = loop.step()
        #expect(hasStepped)
        loop.submit(NewRequest(id: request(2), arrival: .start, promptTokens: 700))
        let plan = loop.scheduler.planStep(at: .start)
        #expect(plan?.entries.map(\.tokens) == [1, 16])
        #expect(loop.scheduler.tokenLimit == 17)
    }
}

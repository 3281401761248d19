// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Simulation
import Testing
import Workloads

struct SimulationTests {
    private func policies(
        _ batching: any BatchingPolicy, fairness: (any FairnessPolicy)? = nil
    ) -> SimulationPolicies {
        var policies = ReplicaPolicies()
        policies.batching = NamedPolicy(name: "batching", policy: batching)
        policies.fairness = fairness.map { NamedPolicy(name: "fairness", policy: $0) }
        return SimulationPolicies(replicas: [policies])
    }

    @Test(arguments: [1, 4])
    func theSameSeedGivesTheSameEvents(_ replicas: Int) {
        var setup = SimulationSetup.a800(replicas: replicas)
        setup.costs.noise = 0.2
        let workload = Workload.fixture(rate: 12 * Double(replicas))
        let first = Transcript(setup, workload)
        #expect(first == Transcript(setup, workload))
        setup.seed = 1
        #expect(first != Transcript(setup, workload))
        setup.seed = 0
        #expect(first != Transcript(setup, workload, seed: 2))
    }

    @Test func everyRequestHasOneOutcome() {
        var setup = SimulationSetup.a800(replicas: 2)
        setup.limits = FleetLimits(queue: 20, contextLength: 300)
        setup.replica.pages = 60
        let workload = Workload.fixture(rate: 120, count: 1500)
        let transcript = Transcript(setup, workload, seed: 3)
        #expect(transcript.requests.map(\.index).sorted() == Array(0..<1500))
        let counts = transcript.summary.requests
        #expect(counts.all == 1500)
        #expect(counts.completed > 100 && counts.refused > 200 && counts.stuck == 0)
        #expect(transcript.summary.replicas.reduce(0) { $0 + $1.preemptions } > 0)
        #expect(transcript.requests.contains { $0.preemptions > 0 })
        let planned = workload.requests(seed: 3)
        for request in transcript.requests {
            let wanted = planned[request.index]
            #expect(request.arrival == Instant(nanoseconds: 0).advanced(by: wanted.arrival))
            #expect(request.adapter == wanted.adapter)
            guard request.outcome == .completed else { continue }
            #expect(request.outputTokens == wanted.outputTokens)
        }
    }

    @Test func momentsOfARequestFollowEachOther() throws {
        for request in Transcript(.a800(), .fixture(rate: 20), seed: 4).requests {
            let begin = try #require(request.begin)
            let first = try #require(request.firstToken)
            let last = try #require(request.lastToken)
            #expect(request.arrival <= begin && begin < first && first <= last)
            #expect(last == request.end)
        }
    }

    @Test func stepsOfAReplicaDoNotOverlap() {
        var setup = SimulationSetup.a800(replicas: 2)
        setup.costs.gap = 0.001
        let steps = Transcript(setup, .fixture(rate: 40), seed: 4).steps
        #expect(steps.count > 100)
        for replica in 0..<2 {
            let own = steps.filter { $0.replica.rawValue == replica }
            for (step, next) in zip(own, own.dropFirst()) {
                #expect(step.begin.advanced(by: step.time) <= next.begin)
                #expect(step.number + 1 == next.number)
            }
        }
    }

    @Test func requestsThatAFairnessPolicyGivesUpAreAborted() {
        let quitter = policies(
            FirstComeFirstServedBatching(), fairness: Quitter(parameters: .init(), seed: 0))
        let transcript = Transcript(.a800(), .fixture(rate: 60), seed: 2, policies: quitter)
        let counts = transcript.summary.requests
        #expect(counts.aborted > 0 && counts.completed > 0 && counts.all == 400)
        #expect(counts.aborted == transcript.summary.replicas[0].aborted)
        #expect(transcript.requests.count == 400)
    }

    @Test func requestsThatAPolicyNeverServesAreServedByTheDefault() {
        let merged = policies(FirstAdapterMerged(parameters: .init(), seed: 0))
        let transcript = Transcript(.a800(), .fixture(rate: 5, count: 60), policies: merged)
        #expect(transcript.summary.requests.completed == 60)
        #expect(transcript.summary.policies.contains { $0.strikes > 0 })
    }

    /// One request at a time, each of one step of fixed length: a queue M/D/1, whose mean wait is
    /// ρ s / 2 (1 - ρ) (Pollaczek and Khinchine).
    @Test(arguments: [0.3, 0.6, 0.8])
    func waitingTimesAreThoseOfAQueue(_ load: Double) {
        var setup = SimulationSetup.a800(adapters: 0)
        setup.replica.batchRequests = 1
        setup.costs = SimulatedCosts()
        setup.costs.steps.perStep = 0.1
        // Nothing is planned before the step in front has ended.
        setup.costs.headShare = 0
        var workload = Workload.fixture(rate: load / 0.1, adapters: 0, count: 20_000)
        workload.lengths = .independent(prompt: .constant(10), output: .constant(1))
        let transcript = Transcript(setup, workload, seed: 7)
        let wait = transcript.mean { request in
            request.begin.map { request.arrival.duration(to: $0).inSeconds }
        }
        let expected = load * 0.1 / (2 * (1 - load))
        // A run of 20,000 requests has a standard error of about 3 % at a load of 0.8.
        #expect(abs(wait - expected) < 0.1 * expected)
        #expect(abs(transcript.summary.modes.sum.inSeconds - 2_000) < 1e-3)
    }

    /// All want the same adapter: merged iterations take 15 ms in place of 27 ms and so carry more.
    @Test func mergedServesOneAdapterFasterThanUnmerged() {
        let workload = Workload.fixture(rate: 40, adapters: 1, count: 1200, .identical)
        let merged = Transcript(
            .a800(adapters: 1), workload,
            policies: policies(FirstAdapterMerged(parameters: .init(), seed: 0)))
        let unmerged = Transcript(.a800(adapters: 1), workload)
        #expect(merged.summary.requests.completed == 1200)
        #expect(unmerged.summary.requests.completed == 1200)
        #expect(merged.summary.modes.merged > merged.summary.modes.sum * 0.99)
        #expect(unmerged.summary.modes.unmerged == unmerged.summary.modes.sum)
        #expect(merged.summary.replicas[0].merges == 1)
        #expect(merged.summary.makespan < unmerged.summary.makespan)
        let latency: (SimulatedRequest) -> Double? = { request in
            request.lastToken.map { request.arrival.duration(to: $0).inSeconds }
        }
        #expect(merged.mean(latency) < 0.5 * unmerged.mean(latency))
    }

    /// A merge of 20 ms gets half of each step's time, so two steps of 27 ms run beside it.
    @Test func aMergeHoldsUpTheStepsBesideIt() {
        var setup = SimulationSetup.a800(adapters: 1)
        setup.costs.headShare = 0
        let merged = policies(FirstAdapterMerged(parameters: .init(), seed: 0))
        let transcript = Transcript(
            setup, .fixture(rate: 100, adapters: 1, count: 50, .identical), policies: merged)
        let counters = transcript.summary.replicas[0]
        #expect(counters.mergeTime <= .milliseconds(20) && counters.mergeTime > .zero)
        let first = transcript.steps.prefix { $0.mode == .unmerged }
        #expect((1...5).contains(first.count))
        #expect(transcript.steps.dropFirst(first.count).allSatisfy { $0.mode != .unmerged })
        var held = Duration.zero
        for (step, next) in zip(first, transcript.steps.dropFirst()) {
            let gap = step.begin.advanced(by: step.time).duration(to: next.begin)
            #expect(gap <= step.time * 0.5 + .nanoseconds(2))
            held += gap
        }
        #expect(held <= .milliseconds(20))
    }

    /// Every fourth request goes to the same replica, long after the one before.
    @Test(arguments: [(false, 4), (true, 1)])
    func loadsTakeTimeUnlessAnotherReplicaHoldsTheAdapter(_ shared: Bool, _ slow: Int) {
        var setup = SimulationSetup.a800(replicas: 4, adapters: 1)
        setup.costs.loadSecondsPerByte = 1e-8
        setup.sharesAdapters = shared
        var workload = Workload.fixture(rate: 0.2, adapters: 1, count: 12)
        workload.arrivals = .constant
        var policies = SimulationPolicies()
        policies.fleet.dispatch = NamedPolicy(
            name: "in-turn", policy: InTurn(parameters: .init(), seed: 0))
        let transcript = Transcript(setup, workload, policies: policies)
        #expect(transcript.summary.residency.map(\.loads) == [1, 1, 1, 1])
        let waits = transcript.requests.compactMap { request in
            request.begin.map { request.arrival.duration(to: $0) }
        }
        #expect(waits.count == 12)
        #expect(waits.filter { $0 > .seconds(1) }.count == slow)
    }

    @Test func outcomesCountInTheReportsOfMeasuredRuns() throws {
        let transcript = Transcript(.a800(), .fixture(rate: 20, count: 60), seed: 4)
        let statistics = try #require(
            LatencyStatistics(transcript.requests.map(RequestOutcome.init)).endToEnd)
        #expect(statistics.count == 60)
        var report = SimulationReport(adapters: 8)
        for request in transcript.requests { report.add(request) }
        #expect(abs(try #require(report.endToEnd.mean) - statistics.mean) < 1e-9 * statistics.mean)
        let median = try #require(report.endToEnd.quantile(0.5))
        #expect(abs(median - statistics.p50) < 0.008 * statistics.p50)
    }
}

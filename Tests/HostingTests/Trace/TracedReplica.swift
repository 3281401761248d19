// SPDX-License-Identifier: Apache-2.0

import Hosting
import PolicyKit
import Scheduling
import TestSupport

/// A replica under a random load on a clock of its own, whose decisions are recorded.
struct TracedReplica {
    private var scheduler: ReplicaScheduler
    private var random: SeededRandom
    private var writer: TraceWriter
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var nextRequest: UInt64 = 1
    private var awaited: [StepPlan] = []
    private(set) var trace: [UInt8] = []

    init(_ policies: ReplicaPolicies, seed: UInt64) {
        var configuration = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0), batchRequests: 6, batchTokens: 48, pages: 40,
            adapterBytes: 40)
        configuration.pageTokens = 4
        configuration.mergedCopies = 2
        configuration.containment.budget = .seconds(3600)
        scheduler = ReplicaScheduler(
            configuration, policies: policies, clock: { Instant(nanoseconds: 0) })
        random = SeededRandom(seed: seed)
        writer = TraceWriter { "adapter-\($0.rawValue)" }
        for id in 1...5 as ClosedRange<UInt32> {
            _ = scheduler.register(
                AdapterDescription(id: AdapterID(rawValue: id), bytes: 10, rank: 8 * Int(id)),
                at: now)
        }
    }

    /// Begins to record; the policies are those of these selections.
    mutating func record(batching: String, fairness: String) {
        let recorded = scheduler.startRecording()
        func policy(_ recorded: RecordedPolicy, _ type: String) -> TraceHeader.Policy {
            var policy = TraceHeader.Policy(
                name: recorded.name, type: type, parameters: [:], seed: 7)
            policy.state = recorded.state
            policy.calls = recorded.calls
            return policy
        }
        trace += writer.header(
            TraceHeader(
                version: "0", host: "test", replica: 0,
                batching: policy(recorded.batching, batching),
                fairness: policy(recorded.fairness, fairness)))
    }

    mutating func end() { trace += writer.end("the test has enough") }

    /// Lets so much happen.
    mutating func run(events: Int) {
        for _ in 0..<events {
            now = now.advanced(by: .microseconds(random.below(4_000)))
            if random.chance(30) { submit() }
            if awaited.count == 1, random.chance(60), let plan = scheduler.planAhead(at: now) {
                awaited.append(plan)
            }
            if awaited.isEmpty {
                if let plan = scheduler.planStep(at: now) { awaited.append(plan) }
            } else {
                complete(awaited.removeFirst())
            }
            if random.chance(2), nextRequest > 1 {
                let id = RequestID(rawValue: UInt64(random.below(Int(nextRequest))))
                _ = scheduler.cancel(id, at: now)
            }
            perform()
            for record in scheduler.takeRecords() ?? [] { trace += writer.lines(record) }
        }
    }

    private mutating func submit() {
        var request = NewRequest(
            id: RequestID(rawValue: nextRequest),
            adapter: AdapterID(rawValue: UInt32(min(random.below(6), random.below(6)))),
            tenant: TenantID(rawValue: UInt32(random.below(3))), arrival: now,
            promptTokens: 1 + random.below(40))
        request.maximumTokens = 1 + random.below(20)
        if random.chance(30) { request.firstTokenTarget = .milliseconds(random.below(60)) }
        nextRequest += 1
        _ = scheduler.submit(request, at: now)
    }

    private mutating func complete(_ plan: StepPlan) {
        let tokens = plan.entries.reduce(0) { $0 + $1.tokens }
        let time = Duration.microseconds(800 + 90 * tokens + random.below(200))
        now = now.advanced(by: time)
        let samples = plan.entries.filter(\.samples)
        let finished = samples.isEmpty || !random.chance(8) ? [] : [samples[0].id]
        _ = scheduler.complete(
            StepOutcome(number: plan.number, stepTime: time, finished: finished), at: now)
    }

    private mutating func perform() {
        _ = scheduler.takeAborted()
        for case .load(let id) in scheduler.takeActions() {
            _ = scheduler.adapterLoaded(id, bytes: 10, time: .microseconds(300), at: now)
        }
        for case .build(let id) in scheduler.takeMergeActions() where random.chance(90) {
            scheduler.copyBuilt(id, bytes: 1000, time: .milliseconds(3), at: now)
        }
    }
}

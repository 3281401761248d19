// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling

/// A replica on a machine with linear step times, which follows what clients really get.
struct ServingLoop {
    /// What a client has been given: prompt tokens at 1, generated ones at 2.
    private(set) var service: [TenantID: Double] = [:]

    /// When requests gave their first token.
    private(set) var firstTokens: [RequestID: Instant] = [:]
    private(set) var aborted: [AbortedRequest] = []

    /// The requests that each step ran, in order.
    private(set) var steps: [[RequestID]] = []
    private(set) var scheduler: ReplicaScheduler
    private(set) var now = Instant(nanoseconds: 0)
    private let plansAhead: Bool
    private var plans: [StepPlan] = []
    private var requests: [RequestID: Asked] = [:]
    private var nextRequest: UInt64 = 0

    private struct Asked {
        let tenant: TenantID
        let prompt: Int
        /// Prompt tokens computed so far; what is computed again after a preemption is no service.
        var computed = 0
    }

    init(
        _ fairness: (any FairnessPolicy)?, batching: (any BatchingPolicy)? = nil,
        plansAhead: Bool, limits: BatchLimits
    ) {
        var configuration = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0), batchRequests: limits.requests, batchTokens: limits.tokens,
            pages: limits.freePages, adapterBytes: 0)
        configuration.pageTokens = limits.pageTokens
        var policies = ReplicaPolicies()
        policies.fairness = fairness.map { NamedPolicy(name: "tested", policy: $0) }
        policies.batching = batching.map { NamedPolicy(name: "tested too", policy: $0) }
        scheduler = ReplicaScheduler(
            configuration, policies: policies, clock: { Instant(nanoseconds: 0) })
        self.plansAhead = plansAhead
    }

    /// Requests of the tenant that wait or run.
    func unfinished(_ tenant: UInt32) -> Int {
        scheduler.snapshots.count { $0.tenant.rawValue == tenant }
    }

    @discardableResult
    mutating func ask(
        _ tenant: UInt32, prompt: Int, output: Int, weight: Double = 1, target: Duration? = nil
    ) -> RequestID {
        nextRequest += 1
        var new = NewRequest(
            id: RequestID(rawValue: nextRequest), tenant: TenantID(rawValue: tenant),
            arrival: now, promptTokens: prompt)
        new.maximumTokens = output
        new.tenantWeight = weight
        new.firstTokenTarget = target
        precondition(scheduler.submit(new, at: now) == nil, "a request is refused")
        requests[new.id] = Asked(tenant: new.tenant, prompt: prompt)
        return new.id
    }

    /// Runs one step, the next one planned before its end where that is wished.
    ///
    /// - Returns: false where nothing could run.
    mutating func step() -> Bool {
        if plans.isEmpty, let plan = scheduler.planStep(at: now) { plans.append(plan) }
        aborted += scheduler.takeAborted()
        guard let plan = plans.first else { return false }
        let time = time(of: plan)
        // As in a host: when only a small part of the step is left to do.
        let end = now.advanced(by: time)
        now = now.advanced(by: time * 0.95)
        if plansAhead, let next = scheduler.planAhead(at: now) { plans.append(next) }
        aborted += scheduler.takeAborted()
        plans.removeFirst()
        steps.append(plan.entries.map(\.id))
        now = end
        for entry in plan.entries { count(entry) }
        _ = scheduler.complete(StepOutcome(number: plan.number, stepTime: time), at: now)
        return true
    }

    mutating func wait(until instant: Instant) { now = max(now, instant) }

    private func time(of plan: StepPlan) -> Duration {
        let tokens = plan.entries.reduce(0) { $0 + $1.tokens }
        return .microseconds(2_000 + 100 * tokens)
    }

    private mutating func count(_ entry: StepEntry) {
        guard var request = requests[entry.id] else { return }
        let end = min(entry.position + entry.tokens, request.prompt)
        service[request.tenant, default: 0] += Double(max(0, end - request.computed))
        request.computed = max(request.computed, end)
        if entry.samples {
            service[request.tenant, default: 0] += 2
            if firstTokens[entry.id] == nil { firstTokens[entry.id] = now }
        }
        requests[entry.id] = request
    }
}

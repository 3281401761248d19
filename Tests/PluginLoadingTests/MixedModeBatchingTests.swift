// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

/// When `mixed-mode-batching` runs merged, mixed or unmerged.
struct MixedModeBatchingTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    private func policy() throws -> any BatchingPolicy {
        try policies.batching("mixed-mode-batching", ["theta": .duration(.milliseconds(500))])
    }

    private static func adapter(_ id: UInt32) -> AdapterID { AdapterID(rawValue: id) }

    /// One second after the start, with room for 8 requests; the copies of these adapters are ready.
    private static func context(ready: [UInt32] = [1]) -> BatchingContext {
        var context = BatchingContext(
            now: Instant(nanoseconds: 1_000_000_000),
            limits: BatchLimits(requests: 8, tokens: 64, freePages: 100, pageTokens: 4))
        context.copies = MergedCopiesSnapshot(capacity: 2, ready: ready.map(adapter))
        return context
    }

    /// Requests of adapter 1 that came now, then as many of others that came a second, or
    /// `wait`, ago.
    private static func queue(
        _ most: Int, others: [(UInt32, Int)], wait: Duration = .seconds(1)
    ) -> [RequestSnapshot] {
        let now = context().now
        var queue = RequestQueue()
        queue.append(most, of: 1, arrival: now)
        for (adapter, count) in others {
            queue.append(count, of: adapter, arrival: now.advanced(by: .zero - wait))
        }
        return queue.requests
    }

    /// Half of 8 is 4: more than 4 of one adapter, and up to 4 that starve.
    @Test(arguments: [
        (5, 0, BatchMode.merged(AdapterID(rawValue: 1))), (4, 0, .unmerged),
        (5, 1, .mixed(AdapterID(rawValue: 1))), (5, 4, .mixed(AdapterID(rawValue: 1))),
        (6, 5, .unmerged), (4, 1, .unmerged), (20, 4, .mixed(AdapterID(rawValue: 1))),
    ])
    func theModeFollowsTheNumbers(most: Int, starving: Int, mode: BatchMode) throws {
        let requests = Self.queue(most, others: [(2, starving)])
        let plan = try policy().plan(requests, in: Self.context())
        #expect(plan.mode == mode)
        switch mode {
        case .unmerged: #expect(plan.entries.map(\.index) == Array(0..<min(8, requests.count)))
        case .merged: #expect(plan.entries.map(\.index) == Array(0..<most))
        case .mixed:
            // Those who starve come first, then the adapter's own, within 8.
            let others = Array(most..<most + starving)
            #expect(plan.entries.map(\.index) == others + Array(0..<min(most, 8 - starving)))
        }
    }

    @Test func whoDoesNotStarveWaits() throws {
        let requests = Self.queue(5, others: [(2, 2)], wait: .milliseconds(500))
        let plan = try policy().plan(requests, in: Self.context())
        #expect(plan.mode == .merged(Self.adapter(1)))
        #expect(plan.entries.map(\.index) == Array(0..<5))
        #expect(plan.reason == "merged: 0 starving, most requests 5 of adapter 1, batch 8")
    }

    @Test func theBaseStarvesLikeOthersAndIsNeverMerged() throws {
        let mixed = try policy().plan(Self.queue(5, others: [(0, 2)]), in: Self.context())
        #expect(mixed.mode == .mixed(Self.adapter(1)))
        #expect(mixed.entries.map(\.index) == [5, 6, 0, 1, 2, 3, 4])
        let base = try policy().plan(Self.queue(0, others: [(0, 8)]), in: Self.context())
        #expect(base.mode == .unmerged)
    }

    /// Waited 480 ms, an iteration of 15 ms: 495 ms. With a merge of 10 ms before it: 505 ms.
    @Test(arguments: [([1 as UInt32], "merged: 0 starving"), ([], "mixed: 2 starving")])
    func theNextIterationAndTheSwitchCount(ready: [UInt32], reason: String) throws {
        let requests = Self.queue(5, others: [(2, 2)], wait: .milliseconds(480))
        var context = Self.context(ready: ready)
        context.costs.observations = 10
        context.costs.perStep = 15e-3
        context.costs.mergeTime = .milliseconds(10)
        let plan = try policy().plan(requests, in: context)
        #expect(plan.reason == "\(reason), most requests 5 of adapter 1, batch 8")
    }

    @Test func timeInWhichARequestRanIsNoWait() throws {
        let policy = try policy()
        let requests = Self.queue(5, others: [(2, 2)])
        var step = StepObservation(
            start: Self.context().now, stepTime: .milliseconds(400), mode: .unmerged,
            served: Array(requests.suffix(1)))
        step.mergeTime = .milliseconds(100)
        policy.observe(step)
        // One of the two has run for 500 of its 1000 ms.
        let plan = try policy.plan(requests, in: Self.context())
        #expect(plan.mode == .mixed(Self.adapter(1)))
        #expect(plan.entries.map(\.index) == [5, 0, 1, 2, 3, 4])
    }

    @Test func urgentAdaptersStarveAtOnceAndGoFirst() throws {
        var context = Self.context()
        context.mustServe = [Self.adapter(3)]
        var queue = RequestQueue(Self.queue(5, others: [(2, 1)]))
        queue.append(1, of: 3, arrival: context.now)
        let plan = try policy().plan(queue.requests, in: context)
        #expect(plan.mode == .mixed(Self.adapter(1)))
        #expect(plan.entries.map(\.index) == [6, 5, 0, 1, 2, 3, 4])
    }

    @Test func whoMayNotMergeIsPassedOver() throws {
        var context = Self.context(ready: [1, 2])
        context.notMergeable = [Self.adapter(1)]
        let plan = try policy().plan(
            Self.queue(7, others: [(2, 5)], wait: .zero), in: context)
        #expect(plan.mode == .merged(Self.adapter(2)))
    }

    @Test func everyoneIsServedWhileACopyIsBuilt() throws {
        let requests = Self.queue(5, others: [(2, 2)])
        let plan = try policy().plan(requests, in: Self.context(ready: []))
        #expect(plan.mode == .unmerged)
        #expect(plan.prepares == Self.adapter(1))
        #expect(plan.entries.count == 7)
        var context = Self.context(ready: [])
        context.copies.capacity = 0
        let never = try policy().plan(requests, in: context)
        #expect(never.prepares == nil)
        #expect(never.entries.count == 7)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import TestSupport
import Testing

/// How `credit-fairness` keeps its accounts, and what follows from them.
struct CreditFairnessTests {
    private let policies: BuiltPolicies

    init() throws { policies = try BuiltPolicies() }

    /// Starving above 100 ms, until less than 40 ms are owed.
    private func policy() throws -> any FairnessPolicy {
        try policies.fairness(
            "credit-fairness",
            ["starvation": .duration(.milliseconds(100)), "recovery": .duration(.milliseconds(40))])
    }

    private static func adapter(_ id: UInt32) -> AdapterID { AdapterID(rawValue: id) }

    private static func context(at milliseconds: Int = 0) -> FairnessContext {
        FairnessContext(
            now: Instant(nanoseconds: Int64(milliseconds) * 1_000_000),
            limits: BatchLimits(requests: 8, tokens: 64, freePages: 100, pageTokens: 4))
    }

    /// An iteration in which requests of these adapters were passed over, and of those ran instead.
    private static func settlement(
        _ time: Duration, displaced: [UInt32], advanced: [UInt32], served: [UInt32] = [],
        at now: Instant = Instant(nanoseconds: 0)
    ) -> ServiceSettlement {
        func requests(_ adapters: [UInt32]) -> [RequestSnapshot] {
            RequestQueue(adapters.map { (adapter: $0, count: 1) }).requests
        }
        let step = StepObservation(
            start: now, stepTime: time, mode: .unmerged, served: requests(served + advanced))
        return ServiceSettlement(
            now: now, step: step, displaced: requests(displaced), advanced: requests(advanced))
    }

    /// The credits by adapter, in nanoseconds, as the state has them: after the time of an iteration,
    /// for each account its adapter, credit, state, and when it was seen.
    private static func credits(_ policy: any FairnessPolicy) throws -> [UInt32: Int64] {
        let state = try #require(policy.exportState())
        #expect(state.schema == "credits/1")
        let words = (0..<state.bytes.count / 8).map { word in
            (0..<8).reduce(Int64(0)) { $0 | Int64(state.bytes[8 * word + $1]) << (8 * $1) }
        }
        let accounts = stride(from: 1, to: words.count, by: 4)
        return Dictionary(uniqueKeysWithValues: accounts.map { (UInt32(words[$0]), words[$0 + 1]) })
    }

    private func arrange(
        _ policy: any FairnessPolicy, _ counts: [(adapter: UInt32, count: Int)],
        at milliseconds: Int = 0
    ) throws -> FairnessArrangement {
        try policy.arrange(RequestQueue(counts).requests, in: Self.context(at: milliseconds))
    }

    // MARK: - Transfers

    @Test func anAdapterIsPaidOnceForAnIteration() throws {
        let policy = try policy()
        policy.settle(
            Self.settlement(.nanoseconds(100), displaced: [2, 2, 2, 0], advanced: [3, 1, 1]))
        // 200 ns from three requests: 133.3 of adapter 1, 66.7 of adapter 3; the first has the rest.
        #expect(try Self.credits(policy) == [2: 100, 0: 100, 1: -134, 3: -66])
    }

    @Test func whatAMergeHeldUpCountsAsService() throws {
        let policy = try policy()
        var settlement = Self.settlement(.nanoseconds(70), displaced: [2], advanced: [1])
        settlement.step.mergeTime = .nanoseconds(30)
        policy.settle(settlement)
        #expect(try Self.credits(policy) == [2: 100, 1: -100])
    }

    @Test func whoRunsAloneInASmallerBatchPays() throws {
        let policy = try policy()
        policy.settle(
            Self.settlement(.nanoseconds(90), displaced: [2, 1], advanced: [], served: [1]))
        #expect(try Self.credits(policy) == [2: 90, 1: -90])
    }

    @Test func whoDisplacesNobodyPaysNothing() throws {
        let policy = try policy()
        policy.settle(Self.settlement(.seconds(1), displaced: [], advanced: [1]))
        policy.settle(Self.settlement(.seconds(1), displaced: [2], advanced: []))
        #expect(try Self.credits(policy) == [:])
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func creditsAddUpToZero(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let policy = try policies.fairness(
            "credit-fairness", ["memory": .duration(.seconds(1))])
        var now = 0
        var most = 0
        func some(_ count: Int) -> [UInt32] {
            (0..<random.below(count)).map { _ in UInt32(now / 400 + random.below(12)) }
        }
        for _ in 0..<2_000 {
            now += random.below(60)
            let time = Duration.nanoseconds(1 + Int64(random.below(50_000_000)))
            policy.settle(
                Self.settlement(
                    time, displaced: some(9), advanced: some(5), served: some(3),
                    at: Self.context(at: now).now))
            _ = try arrange(policy, some(6).map { ($0, 1) }, at: now)
            let credits = try Self.credits(policy)
            most = max(most, credits.count)
            #expect(credits.values.reduce(0, +) == 0, "seed \(seed), at \(now) ms")
        }
        #expect(most > 5 && most < 40, "accounts of adapters that are gone are closed")
    }

    // MARK: - Arrangements

    @Test func starvingAdaptersStandFirstUntilTheyRecover() throws {
        let policy = try policy()
        let counts = [(adapter: UInt32(1), count: 2), (2, 1), (1, 1), (3, 1)]
        func settle(_ milliseconds: Int, _ displaced: UInt32, _ advanced: UInt32) {
            policy.settle(
                Self.settlement(
                    .milliseconds(milliseconds), displaced: [displaced], advanced: [advanced]))
        }
        settle(100, 2, 1)
        #expect(try arrange(policy, counts).mustServe == [], "100 ms is not more than 100")
        settle(1, 2, 1)
        let starving = try arrange(policy, counts)
        #expect(starving.mustServe == [Self.adapter(2)])
        #expect(starving.order == [2, 0, 1, 3, 4])
        #expect(starving.reason.hasPrefix("2 is owed 101 ms > 100"))
        settle(110, 3, 1)
        #expect(try arrange(policy, counts).mustServe == [3, 2].map(Self.adapter))
        settle(61, 1, 2)
        #expect(try arrange(policy, counts).mustServe == [3, 2].map(Self.adapter), "40 are left")
        settle(1, 1, 2)
        #expect(try arrange(policy, counts).mustServe == [Self.adapter(3)])
        let others = try arrange(policy, [(adapter: 1, count: 2)])
        #expect(others.mustServe == [], "it has no requests")
        #expect(others.order == [0, 1])
    }

    /// Three adapters: one may owe 2 × 100 ms. An iteration takes 10 ms and would displace two.
    @Test func whoCannotPayMayNotBeMergedOn() throws {
        let policy = try policy()
        let counts = [(adapter: UInt32(1), count: 3), (2, 1), (3, 1)]
        for _ in 0..<9 {
            policy.settle(
                Self.settlement(.milliseconds(10), displaced: [2, 3], advanced: [1]))
        }
        #expect(try arrange(policy, counts).notMergeable == [], "180 and 20 are 200")
        policy.settle(Self.settlement(.milliseconds(10), displaced: [3], advanced: [1]))
        let arrangement = try arrange(policy, counts)
        #expect(arrangement.notMergeable == [Self.adapter(1)], "190 and 20 are more")
        #expect(arrangement.reason == "1 owes 190 ms, not mergeable")
        let alone = try arrange(policy, [(adapter: 1, count: 3)])
        #expect(alone.notMergeable == [], "it would displace nobody")
        // One that would displace one adapter has to pay for one: 200 are left.
        #expect(try arrange(policy, [(1, 3), (3, 1)]).notMergeable == [])
    }

    @Test func closedAccountsAreSettledByOthers() throws {
        let policy = try policy()
        policy.settle(Self.settlement(.nanoseconds(90), displaced: [2], advanced: [1]))
        policy.settle(Self.settlement(.nanoseconds(30), displaced: [3], advanced: [4]))
        #expect(try Self.credits(policy) == [1: -90, 2: 90, 3: 30, 4: -30])
        // Adapter 1 is not seen again: its creditors forgive it, 3 to 1.
        for second in [300, 601] {
            _ = try arrange(policy, [(2, 1), (3, 1), (4, 1)], at: second * 1_000)
        }
        #expect(try Self.credits(policy) == [2: 22, 3: 8, 4: -30])
        _ = try arrange(policy, [(4, 1)], at: 1_300_000)
        #expect(try Self.credits(policy) == [4: 0])
    }

    // MARK: - Against the artifact's constants

    /// The artifact's guard (`scheduler.py`): n adapters begin with 10000 (n − 1), one starves above
    /// 10000 n, and each displaced request earns 0.1125 while others run merged.
    private static func artifactIterations(adapters: Double, displaced: Double) -> Int {
        var credit = 10_000 * (adapters - 1)
        var iterations = 0
        while credit <= 10_000 * adapters {
            credit += 0.1125 * displaced
            iterations += 1
        }
        return iterations
    }

    /// 16 requests of adapter 2 stand first, and all iterations run 16 others of adapter 1, merged,
    /// 15 ms each.
    @Test func ourGuardActsInTimeAndTheArtifactsDoesNot() throws {
        #expect(Self.artifactIterations(adapters: 8, displaced: 16) > 5_000)
        #expect(Self.artifactIterations(adapters: 128, displaced: 16) > 5_000)
        let policy = try policies.fairness(
            "credit-fairness", ["starvation": .duration(.seconds(2))])
        let displaced = [UInt32](repeating: 2, count: 16)
        let advanced = [UInt32](repeating: 1, count: 16)
        var iterations = 0
        while try arrange(policy, [(2, 16), (1, 16)]).mustServe.isEmpty {
            policy.settle(
                Self.settlement(.milliseconds(15), displaced: displaced, advanced: advanced))
            iterations += 1
            try #require(iterations < 5_000)
        }
        #expect(iterations == 134, "the first multiple of 15 ms above 2 s")
    }

    // MARK: - State

    @Test func aReloadKeepsTheCredits() throws {
        let policy = try policy()
        policy.settle(Self.settlement(.milliseconds(150), displaced: [2], advanced: [1]))
        _ = try arrange(policy, [(1, 1), (2, 1)])
        let heir = try self.policy()
        try heir.importState(#require(policy.exportState()))
        #expect(try Self.credits(heir) == Self.credits(policy))
        #expect(try arrange(heir, [(1, 1), (2, 1)]).mustServe == [Self.adapter(2)])
    }

    @Test func creditsThatDoNotAddUpAreRefused() throws {
        let policy = try policy()
        policy.settle(Self.settlement(.milliseconds(150), displaced: [2], advanced: [1]))
        var state = try #require(policy.exportState())
        state.bytes[16] ^= 1
        #expect(throws: PolicyError.self) { try policy.importState(state) }
        #expect(try Self.credits(policy).values.reduce(0, +) == 0)
    }

    @Test func recoveryMustBeBelowStarvation() {
        #expect(throws: (any Error).self) {
            try policies.fairness(
                "credit-fairness", ["starvation": .duration(.milliseconds(500))])
        }
    }
}

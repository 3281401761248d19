// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginLoading

struct ScoredResidencyTests {
    private let policies: BuiltPolicies
    private var registry: PolicyRegistry { policies.registry }

    init() throws { policies = try BuiltPolicies() }

    private static func adapter(
        _ id: UInt32, bytes: Int, uses: Int, used: Int64, loaded: Int64 = 40
    ) -> AdapterSnapshot {
        var adapter = AdapterSnapshot(
            id: AdapterID(rawValue: id), bytes: bytes,
            lastUse: Instant(nanoseconds: used * 1_000_000_000))
        adapter.loadedAt = Instant(nanoseconds: loaded * 1_000_000_000)
        adapter.uses = uses
        return adapter
    }

    private func leaving(
        _ candidates: [AdapterSnapshot], _ values: [String: ParameterValue] = [:]
    ) throws -> UInt32 {
        let policy = try registry.makeResidency("scored-residency", values: values, seed: 1)
        return try policy.evict(
            from: candidates.span, at: Instant(nanoseconds: 100_000_000_000)
        ).rawValue
    }

    private static func weights(
        _ frequency: Double, _ recency: Double, _ size: Double
    ) -> [String: ParameterValue] {
        [
            "frequencyWeight": .number(frequency), "recencyWeight": .number(recency),
            "sizeWeight": .number(size),
        ]
    }

    /// All three have been in memory for 60 s, to which the window adds 60 s, so that the rates are
    /// 0.1, 0.05 and 1/60; the idle times are 10, 0 and 40 s. Scores with the usual weights:
    /// 1: 0.45 + 0.10 · 0.75 + 0.45 = 0.975, 2: 0.225 + 0.10 + 0.18 = 0.505,
    /// 3: 0.075 + 0 + 0.45 = 0.525.
    @Test func theLowestScoreLeaves() throws {
        let candidates = [
            Self.adapter(1, bytes: 100, uses: 12, used: 90),
            Self.adapter(2, bytes: 40, uses: 6, used: 100),
            Self.adapter(3, bytes: 100, uses: 2, used: 60),
        ]
        #expect(try leaving(candidates) == 2)
        #expect(try leaving(candidates, Self.weights(1, 0, 0)) == 3)
        #expect(try leaving(candidates, Self.weights(0, 1, 0)) == 3)
        #expect(try leaving(candidates, Self.weights(0, 0, 1)) == 2)
        #expect(try leaving(candidates, Self.weights(0.45, 0.3, 0.45)) == 3)
    }

    /// 5 uses in 10 s and 40 uses in 100 s: a higher rate, but not for long enough to count.
    @Test func aBurstIsNoHighRate() throws {
        let candidates = [
            Self.adapter(1, bytes: 1, uses: 5, used: 100, loaded: 90),
            Self.adapter(2, bytes: 1, uses: 40, used: 100, loaded: 0),
        ]
        #expect(try leaving(candidates, Self.weights(1, 0, 0)) == 1)
        var short = Self.weights(1, 0, 0)
        short["window"] = .duration(.milliseconds(1))
        #expect(try leaving(candidates, short) == 2)
    }

    @Test func tiesGoToTheLongestUnusedThenToTheLowestNumber() throws {
        let size = Self.weights(0, 0, 1)
        let candidates = [
            Self.adapter(9, bytes: 1, uses: 0, used: 50),
            Self.adapter(4, bytes: 1, uses: 7, used: 60),
            Self.adapter(7, bytes: 1, uses: 0, used: 50),
        ]
        #expect(try leaving(candidates, size) == 7)
        #expect(try leaving(candidates.reversed(), size) == 7)
    }

    @Test func weightsOfNothingAreRefused() throws {
        #expect(throws: PluginError.self) {
            try registry.makeResidency(
                "scored-residency", values: Self.weights(0, 0, 0), seed: 1)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

@testable import QuotaFairness

struct QuotaFairnessTests {
    private static let limits = BatchLimits(requests: 8, tokens: 64, freePages: 100, pageTokens: 16)

    /// A policy with a quota of 10 tokens per second, and of 100 at once.
    private func policy(
        _ values: [String: ParameterValue] = [:]
    ) throws -> QuotaFairness {
        let values = values.merging(["rate": .number(10), "burst": .integer(100)]) { own, _ in own }
        return try QuotaFairness(parameters: .init(values: values), seed: 1)
    }

    private func request(
        _ number: Int, of tenant: UInt32, weight: Double = 1
    ) -> RequestSnapshot {
        var request = RequestSnapshot(
            id: RequestID(rawValue: UInt64(number)), adapter: .base,
            tenant: TenantID(rawValue: tenant), arrival: second(0), promptTokens: 50)
        request.tenantWeight = weight
        return request
    }

    private func second(_ second: Int) -> Instant {
        Instant(nanoseconds: Int64(second) * 1_000_000_000)
    }

    private func order(
        _ policy: QuotaFairness, _ requests: [RequestSnapshot], at now: Int
    ) throws -> [Int] {
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        try policy.arrange(
            requests.span, in: FairnessContext(now: second(now), limits: Self.limits),
            into: &arrangement)
        return arrangement.order
    }

    /// Lets a step give tokens of its prompt to a request.
    private func serve(
        _ tokens: Int, of request: RequestSnapshot, _ policy: QuotaFairness, at now: Int
    ) {
        var step = StepObservation(
            start: second(now), stepTime: .zero, mode: .unmerged, served: [request])
        step.servedTokens = [tokens]
        policy.settle(
            ServiceSettlement(now: second(now), step: step, displaced: [], advanced: []))
    }

    // MARK: - The rules of the kind

    @Test(arguments: [1, 2, 3] as [UInt64])
    func itConforms(seed: UInt64) {
        #expect(PolicyConformance(seed: seed).violations(of: QuotaFairness.self) == [])
    }

    @Test(
        arguments: [
            ["per": .string("adapter")], ["rate": .number(0.1)], ["rate": .number(1_000_000)],
            ["burst": .integer(1)], ["burst": .integer(1_000_000_000)],
            ["outputWeight": .number(0)],
        ] as [[String: ParameterValue]])
    func itConformsAtTheEndsOfItsRanges(values: [String: ParameterValue]) {
        let violations = PolicyConformance(seed: 4).violations(
            of: QuotaFairness.self, values: values)
        #expect(violations == [])
    }

    // MARK: - What only this policy promises

    @Test func whoHasUsedItsQuotaUpWaitsForTheOthers() throws {
        let policy = try policy()
        let requests = [request(1, of: 1), request(2, of: 2)]
        #expect(try order(policy, requests, at: 0) == [0, 1])
        serve(40, of: requests[0], policy, at: 0)
        #expect(try order(policy, requests, at: 0) == [0, 1])
        serve(80, of: requests[0], policy, at: 0)
        #expect(try order(policy, requests, at: 0) == [1, 0])
        // 20 tokens are owed, and 10 come back each second.
        #expect(try order(policy, requests, at: 1) == [1, 0])
        #expect(try order(policy, requests, at: 3) == [0, 1])
    }

    @Test func whatHasBegunGoesOn() throws {
        let policy = try policy()
        var begun = request(1, of: 1)
        serve(150, of: begun, policy, at: 0)
        begun.phase = .decoding
        #expect(try order(policy, [request(2, of: 2), begun], at: 0) == [1, 0])
    }

    @Test func ofThoseWhoOweTheOneThatOwesLeastForItsWeightComesFirst() throws {
        let policy = try policy()
        let (light, heavy) = (request(1, of: 1), request(2, of: 2, weight: 4))
        serve(140, of: light, policy, at: 0)
        serve(480, of: heavy, policy, at: 0)
        // 40 for a weight of 1, 80 for a weight of 4.
        #expect(try order(policy, [light, heavy], at: 0) == [1, 0])
    }

    @Test func nobodyOwesMoreThanABurst() throws {
        let policy = try policy()
        let requests = [request(1, of: 1), request(2, of: 2)]
        for _ in 0..<100 { serve(50, of: requests[0], policy, at: 0) }
        #expect(try order(policy, requests, at: 9) == [1, 0])
        #expect(try order(policy, requests, at: 11) == [0, 1])
    }

    @Test func generatedTokensCountAsTheManifestSays() throws {
        let policy = try policy(["outputWeight": .number(30)])
        var requests = [request(1, of: 1), request(2, of: 2)]
        requests[0].phase = .decoding
        for _ in 0..<4 { serve(1, of: requests[0], policy, at: 0) }
        requests[0].phase = .waiting
        #expect(try order(policy, requests, at: 0) == [1, 0])
    }

    @Test func accountsComeThroughAReload() throws {
        let policy = try policy()
        let requests = [request(1, of: 1), request(2, of: 2)]
        serve(150, of: requests[0], policy, at: 0)
        let heir = try self.policy()
        try heir.importState(try #require(policy.exportState()))
        #expect(try order(heir, requests, at: 0) == [1, 0])
    }

    @Test func clientsAreForgottenWhoseBucketsAreFull() throws {
        var buckets = TokenBuckets(rate: 10, burst: 100)
        let now = second(0)
        buckets.take(150, from: 7, weight: 1, at: now)
        for client in 100..<UInt32(100 + 2 * TokenBuckets.most) {
            buckets.take(1, from: client, weight: 1, at: now)
        }
        buckets.trim(at: now)
        #expect(buckets.bytes.count == 32 * TokenBuckets.most)
        #expect(buckets.level(of: 7, weight: 1, at: now) == -50)
    }
}

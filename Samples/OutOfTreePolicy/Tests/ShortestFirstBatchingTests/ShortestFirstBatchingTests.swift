// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

@testable import ShortestFirstBatching

struct ShortestFirstBatchingTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func itConforms(seed: UInt64) {
        #expect(PolicyConformance(seed: seed).violations(of: ShortestFirstBatching.self) == [])
    }

    @Test(arguments: [0.001, 1])
    func itConformsAtTheEndsOfItsRange(promptWeight: Double) {
        let violations = PolicyConformance(seed: 4).violations(
            of: ShortestFirstBatching.self, values: ["promptWeight": .number(promptWeight)])
        #expect(violations == [])
    }

    @Test func theShortestStartsFirst() throws {
        let requests = [40, 10, 20].enumerated().map { index, maximumTokens in
            var request = RequestSnapshot(
                id: RequestID(rawValue: UInt64(index)), adapter: .base,
                arrival: Instant(nanoseconds: 0), promptTokens: 5)
            request.maximumTokens = maximumTokens
            return request
        }
        let limits = BatchLimits(requests: 2, tokens: 64, freePages: 100, pageTokens: 16)
        let policy = try ShortestFirstBatching(parameters: .init(), seed: 1)
        var plan = BatchPlan()
        try policy.plan(
            requests.span, in: BatchingContext(now: Instant(nanoseconds: 0), limits: limits),
            into: &plan)
        #expect(plan.entries.map(\.index) == [1, 2])
    }
}

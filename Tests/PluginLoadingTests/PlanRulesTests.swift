// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

/// The rules that the host and the conformance kit check plans by.
struct PlanRulesTests {
    private static let limits = BatchLimits(requests: 3, tokens: 12, freePages: 2, pageTokens: 4)

    /// 0: waits on adapter 1; 1: decodes on adapter 2, its pages full; 2: the base model, half way;
    /// 3: its adapter is absent.
    private static let requests: [RequestSnapshot] = {
        var requests = [1, 2, 0, 3].enumerated().map { index, adapter in
            RequestSnapshot(
                id: RequestID(rawValue: UInt64(index)), adapter: AdapterID(rawValue: adapter),
                arrival: Instant(nanoseconds: 0), promptTokens: 8)
        }
        requests[1].phase = .decoding
        requests[1].computedTokens = 8
        requests[1].generatedTokens = 1
        requests[2].phase = .prefilling
        requests[2].computedTokens = 3
        requests[3].isAdapterResident = false
        return requests
    }()

    private static func plan(_ mode: BatchMode, _ entries: [(Int, Int)]) -> BatchPlan {
        BatchPlan(mode: mode, entries: entries.map { BatchPlan.Entry(index: $0.0, tokens: $0.1) })
    }

    private static let second = AdapterID(rawValue: 2)

    @Test(
        arguments: [
            ([0, 2], [], nil), ([0, 2], [5, 6], nil), ([4], [], "there are 4"),
            ([0, 0], [], "ends request 0 twice"), ([1], [], "has generated tokens"),
            ([0, 2], [5], "ends 2 requests and predicts 1 first tokens"),
        ] as [([Int], [Int64], String?)])
    func onlyWhoHasGeneratedNothingIsGivenUp(aborts: [Int], predicted: [Int64], rule: String?) {
        var arrangement = FairnessArrangement(order: [0, 1, 2, 3])
        arrangement.aborts = aborts
        arrangement.predictedFirstTokens = predicted.map(Instant.init(nanoseconds:))
        let error = arrangement.violationOfAborts(among: Self.requests.span)
        #expect((error == nil) == (rule == nil))
        #expect(error?.description.contains(rule ?? "") != false)
    }

    @Test(arguments: [
        plan(.unmerged, []), plan(.unmerged, [(0, 8)]), plan(.unmerged, [(2, 1), (0, 4), (1, 1)]),
        plan(.merged(second), [(1, 1)]), plan(.mixed(second), [(1, 1), (2, 5)]),
    ])
    func aPlanWithinTheRulesPasses(plan: BatchPlan) {
        #expect(plan.violation(for: Self.requests.span, under: Self.limits) == nil)
    }

    @Test(arguments: [
        (plan(.unmerged, [(4, 1)]), "names request 4"),
        (plan(.unmerged, [(-1, 1)]), "names request -1"),
        (plan(.unmerged, [(0, 1), (0, 1)]), "twice"),
        (plan(.unmerged, [(0, 0)]), "1 to 8"),
        (plan(.unmerged, [(1, 2)]), "1 to 1"),
        (plan(.unmerged, [(0, .max)]), "1 to 8"),
        (plan(.unmerged, [(0, 1), (1, 1), (2, 1), (3, 1)]), "runs 4 requests"),
        (plan(.unmerged, [(0, 8), (2, 5)]), "13 tokens"),
        (plan(.unmerged, [(0, 8), (1, 1)]), "3 new KV pages"),
        (plan(.unmerged, [(3, 1)]), "not resident"),
        (plan(.merged(second), [(1, 1), (2, 1)]), "adapter 0"),
        (plan(.merged(.base), [(2, 1)]), "base model"),
        (plan(.mixed(.base), [(2, 1)]), "base model"),
        (plan(.mixed(AdapterID(rawValue: 3)), [(2, 1)]), "no request shows as resident"),
        (plan(.mixed(AdapterID(rawValue: 9)), [(2, 1)]), "no request shows as resident"),
    ])
    func aBrokenRuleIsNamed(plan: BatchPlan, words: String) {
        let error = plan.violation(for: Self.requests.span, under: Self.limits)
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "passes")")
    }

    @Test(arguments: [(0, 8, 2), (0, 9, 3), (4, 1, 1), (5, 3, 0), (5, 4, 1), (0, .max, .max)])
    func newPagesAreThoseBeyondTheOnesHeld(computed: Int, tokens: Int, pages: Int) {
        var request = Self.requests[0]
        request.computedTokens = computed
        let found = request.newPages(computing: tokens, pageTokens: 4)
        #expect(found == pages || (pages == .max && found > 1_000_000_000))
    }

    @Test(arguments: [(0, 0), (1, 4), (2, 8), (.max, 8), (-1, 0)])
    func tokensAreBoundedByPages(pages: Int, tokens: Int) {
        #expect(
            Self.requests[0].pendingTokens(withinNewPages: pages, pageTokens: 4) == tokens)
    }

    @Test func theLastTokenIsNeverComputed() {
        var request = Self.requests[0]
        request.maximumTokens = 16
        #expect(request.mostComputedTokens == 8 + 16 - 1)
        request.phase = .decoding
        request.computedTokens = 8
        request.generatedTokens = 1
        #expect(request.mostComputedTokens == 8 + 16 - 1)
        // Preempted and begun anew: the tokens generated before are part of the prompt.
        request.phase = .waiting
        request.promptTokens = 9
        request.computedTokens = 0
        #expect(request.mostComputedTokens == 8 + 16 - 1)
        request.maximumTokens = .max
        request.generatedTokens = 0
        #expect(request.mostComputedTokens == .max)
    }
}

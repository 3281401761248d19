// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

struct FirstComeFirstServedTests {
    private func waiting(_ prompt: Int, on id: UInt32 = 0) -> RequestSnapshot {
        RequestSnapshot(
            id: request(1), adapter: adapter(id), arrival: .start, promptTokens: prompt)
    }

    private func prefilling(_ computed: Int, of prompt: Int, on id: UInt32 = 0) -> RequestSnapshot {
        var snapshot = waiting(prompt, on: id)
        snapshot.phase = .prefilling
        snapshot.computedTokens = computed
        return snapshot
    }

    private func decoding(_ computed: Int, on id: UInt32 = 0) -> RequestSnapshot {
        var snapshot = waiting(computed, on: id)
        snapshot.phase = .decoding
        snapshot.computedTokens = computed
        snapshot.generatedTokens = 1
        return snapshot
    }

    private func absent(_ snapshot: RequestSnapshot) -> RequestSnapshot {
        var snapshot = snapshot
        snapshot.isAdapterResident = false
        return snapshot
    }

    private func plan(
        _ requests: [RequestSnapshot], requests most: Int = 8, tokens: Int = 32,
        pages: Int = 100, mustServe: [UInt32] = []
    ) throws -> [[Int]] {
        let limits = BatchLimits(
            requests: most, tokens: tokens, freePages: pages, pageTokens: 4)
        var context = BatchingContext(now: .start, limits: limits)
        context.mustServe = mustServe.map(adapter)
        var plan = BatchPlan()
        try FirstComeFirstServedBatching().plan(requests.span, in: context, into: &plan)
        #expect(plan.mode == .unmerged)
        #expect(plan.violation(for: requests.span, under: limits) == nil)
        return plan.entries.map { [$0.index, $0.tokens] }
    }

    @Test
    func decodeRowsComeBeforePrompts() throws {
        #expect(
            try plan([waiting(5), decoding(8), prefilling(4, of: 10), decoding(3)])
                == [[1, 1], [3, 1], [0, 5], [2, 6]])
    }

    @Test
    func theLastPromptIsCutToTheTokenLimit() throws {
        #expect(try plan([waiting(20), waiting(20)], tokens: 32) == [[0, 20], [1, 12]])
        #expect(try plan([decoding(1), waiting(20)], tokens: 8) == [[0, 1], [1, 7]])
    }

    @Test
    func theRequestLimitHolds() throws {
        #expect(try plan([decoding(1), decoding(1), decoding(1)], requests: 2).count == 2)
        #expect(try plan([], requests: 2) == [])
    }

    @Test
    func whoseAdapterIsAbsentIsPassedOver() throws {
        #expect(
            try plan([absent(waiting(4, on: 1)), absent(decoding(4, on: 1)), waiting(4)])
                == [[2, 4]])
    }

    @Test
    func aPromptBeginsOnlyWithAllItsPages() throws {
        // The decode row takes one page and keeps one in reserve: 3 pages do not do for 12 tokens.
        #expect(try plan([decoding(4), waiting(12)], pages: 4) == [[0, 1]])
        #expect(try plan([decoding(4), waiting(12)], pages: 5) == [[0, 1], [1, 12]])
    }

    @Test
    func aPromptThatWaitsForPagesIsNotOvertaken() throws {
        #expect(try plan([decoding(5), waiting(40), waiting(1)], pages: 5) == [[0, 1]])
    }

    @Test
    func theFirstPromptTakesWhatThereIs() throws {
        #expect(try plan([waiting(40), waiting(1)], pages: 2) == [[0, 8]])
        #expect(try plan([prefilling(6, of: 40)], pages: 0) == [[0, 2]])
        #expect(try plan([prefilling(8, of: 40)], pages: 0) == [])
    }

    @Test
    func promptsThatHaveBegunGoOnWhereNobodyFindsRoomInTurn() throws {
        // The first needs a page and none is free; the second has room for 2 tokens in its own.
        #expect(try plan([waiting(4), prefilling(6, of: 40)], pages: 0) == [[1, 2]])
        #expect(try plan([waiting(4), prefilling(8, of: 40)], pages: 0) == [])
    }

    @Test
    func pagesForTheRestOfACutPromptArePromised() throws {
        // The first needs 10 pages in all, so the second, which needs 3, does not fit in 12.
        #expect(try plan([waiting(40), waiting(12)], tokens: 50, pages: 12) == [[0, 40]])
        #expect(try plan([waiting(40), waiting(12)], tokens: 50, pages: 13).count == 2)
    }

    @Test
    func urgentAdaptersGoFirstInTheirOrder() throws {
        let requests = [
            decoding(4), waiting(4, on: 1), waiting(4, on: 2), decoding(5, on: 1), waiting(4),
        ]
        #expect(
            try plan(requests, mustServe: [2, 1, 2])
                == [[2, 4], [3, 1], [1, 4], [0, 1], [4, 4]])
    }

    @Test
    func nonsensicalLimitsGiveEmptyPlans() throws {
        #expect(try plan([waiting(4)], requests: 0) == [])
        #expect(try plan([waiting(4)], tokens: 0) == [])
        #expect(try plan([waiting(4)], tokens: -5) == [])
        #expect(try plan([waiting(4)], pages: 0) == [])
        #expect(try plan([waiting(4)], tokens: .max, pages: .max) == [[0, 4]])
    }
}

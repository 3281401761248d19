// SPDX-License-Identifier: Apache-2.0

extension PolicyTemplate {
    static let fairness = PolicyTemplate(
        summary: "Lets short prompts go first, but nobody wait longer than a while for it.",
        parameter: "patience", manifestValue: "2s",
        ends: [".duration(.zero)", ".duration(.seconds(600))"],
        conformance: "FairnessPolicy",
        declaration: """
            @Parameter("How long shorter ones may overtake a request.", in: .zero ... .seconds(600))
            var patience: Duration = .seconds(5)
            """,
        property: "patience: Duration",
        members: """
            /// Asked before each step. `requests` come in order of arrival, and so does the order in
            /// `arrangement`; an order must keep all of them.
            func arrange(
                _ requests: Span<RequestSnapshot>, in context: FairnessContext,
                into arrangement: inout FairnessArrangement
            ) throws(PolicyError) {
                var turns: [Turn] = []
                for index in requests.indices {
                    let request = requests[index]
                    let hasWaited = request.arrival.duration(to: context.now) >= patience
                    // What has begun holds memory, and is not stopped for others.
                    let goesFirst = request.phase != .waiting || hasWaited
                    let work = goesFirst ? 0 : request.promptTokens
                    turns.append(Turn(rank: goesFirst ? 0 : 1, work: work, index: index))
                }
                turns.sort { ($0.rank, $0.work, $0.index) < ($1.rank, $1.work, $1.index) }
                arrangement.order = turns.map(\\.index)
            }
            """,
        others: """

            /// Where a request stands.
            private struct Turn {
                let rank: Int
                let work: Int
                let index: Int
            }

            """,
        promises: """

            @Test func theShortPromptGoesFirstWhileNobodyHasWaitedLong() throws {
                let requests = [40, 10, 20].enumerated().map { number, promptTokens in
                    RequestSnapshot(
                        id: RequestID(rawValue: UInt64(number)), adapter: .base,
                        arrival: Instant(nanoseconds: 0), promptTokens: promptTokens)
                }
                let limits = BatchLimits(requests: 8, tokens: 64, freePages: 100, pageTokens: 16)
                let policy = try POLICY(parameters: .init(), seed: 1)
                for (second, order) in [(1, [1, 2, 0]), (60, [0, 1, 2])] {
                    let now = Instant(nanoseconds: 0).advanced(by: .seconds(second))
                    var arrangement = FairnessArrangement(order: [0, 1, 2])
                    try policy.arrange(
                        requests.span, in: FairnessContext(now: now, limits: limits), into: &arrangement)
                    #expect(arrangement.order == order)
                }
            }
            """)
}

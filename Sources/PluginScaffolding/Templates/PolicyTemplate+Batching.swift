// SPDX-License-Identifier: Apache-2.0

extension PolicyTemplate {
    static let batching = PolicyTemplate(
        summary: "Serves requests in order, and begins only a few prompts in a step.",
        parameter: "promptsPerStep", manifestValue: "2", ends: [".integer(1)", ".integer(1024)"],
        conformance: "BatchingPolicy",
        declaration: """
            @Parameter("The most prompts that one step begins with.", in: 1...1024)
            var promptsPerStep: Int = 4
            """,
        property: "promptsPerStep: Int",
        members: """
            /// Asked once before each step. `requests` stand in the order that the fairness policy gave
            /// them; `plan` comes empty and unmerged. The host checks the answer.
            func plan(
                _ requests: Span<RequestSnapshot>, in context: BatchingContext,
                into plan: inout BatchPlan
            ) throws(PolicyError) {
                var urgent: [Int] = []
                var others: [Int] = []
                var begun = 0
                for index in requests.indices where requests[index].isAdapterResident {
                    // Whom the fairness policy wants served comes first, whatever else is asked.
                    if context.mustServe.contains(requests[index].adapter) {
                        urgent.append(index)
                        continue
                    }
                    if requests[index].phase == .waiting {
                        if begun == promptsPerStep { continue }
                        begun += 1
                    }
                    others.append(index)
                }
                // `BatchFilling` counts tokens, pages and rows as first-come-first-served does.
                var batch = BatchFilling(limits: context.limits)
                batch.fill(urgent, of: requests)
                batch.fill(others, of: requests)
                if batch.entries.isEmpty {
                    batch = BatchFilling(requests, urgent: context.mustServe, limits: context.limits)
                }
                plan.entries = batch.entries
                if context.wantsReason {
                    plan.reason = "\\(begun) prompts may begin, at most \\(promptsPerStep)"
                }
            }
            """,
        promises: """

            @Test func noMoreThanTheGivenNumberOfPromptsBegins() throws {
                let now = Instant(nanoseconds: 0)
                let requests = (1...6).map { number in
                    RequestSnapshot(
                        id: RequestID(rawValue: UInt64(number)), adapter: .base, arrival: now,
                        promptTokens: 5)
                }
                let limits = BatchLimits(requests: 8, tokens: 64, freePages: 100, pageTokens: 16)
                let policy = try POLICY(parameters: .init(), seed: 1)
                var plan = BatchPlan()
                try policy.plan(
                    requests.span, in: BatchingContext(now: now, limits: limits), into: &plan)
                #expect(plan.entries.map(\\.index) == [0, 1, 2, 3])
            }
            """)
}

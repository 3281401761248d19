// SPDX-License-Identifier: Apache-2.0

extension PolicyTemplate {
    static let residency = PolicyTemplate(
        summary: "Evicts the adapter idle longest, but keeps for a while what was just loaded.",
        parameter: "grace", manifestValue: "30s",
        ends: [".duration(.zero)", ".duration(.seconds(3600))"],
        conformance: "ResidencyPolicy",
        declaration: """
            @Parameter(
                "How long after its load an adapter stays, if others can leave.",
                in: .zero ... .seconds(3600))
            var grace: Duration = .seconds(10)
            """,
        property: "grace: Duration",
        members: """
            /// Asked when an adapter needs room; again while there is too little. The answer is one of
            /// `candidates`, which no request uses.
            func evict(
                from candidates: Span<AdapterSnapshot>, at now: Instant
            ) throws(PolicyError) -> AdapterID {
                guard !candidates.isEmpty else { throw PolicyError("there is no adapter to evict") }
                var leaving = candidates[0]
                for index in candidates.indices
                where rank(of: candidates[index], at: now) < rank(of: leaving, at: now) {
                    leaving = candidates[index]
                }
                return leaving.id
            }

            /// The lowest leaves: what is past its grace, then what was used last the longest ago. Of
            /// equals, the lower number, so that the order in which they are shown does not matter.
            private func rank(of adapter: AdapterSnapshot, at now: Instant) -> (Int, Instant, AdapterID) {
                let isNew = adapter.loadedAt.duration(to: now) < grace
                return (isNew ? 1 : 0, adapter.lastUse, adapter.id)
            }
            """,
        promises: """

            @Test(arguments: [(5, 2), (60, 1)])
            func whatWasJustLoadedStays(second: Int, leaving: UInt32) throws {
                let start = Instant(nanoseconds: 0)
                let new = AdapterSnapshot(id: AdapterID(rawValue: 1), bytes: 100, lastUse: start)
                var old = AdapterSnapshot(
                    id: AdapterID(rawValue: 2), bytes: 100, lastUse: start.advanced(by: .seconds(1)))
                old.loadedAt = start.advanced(by: .seconds(-100))
                let policy = try POLICY(parameters: .init(), seed: 1)
                let evicted = try policy.evict(
                    from: [new, old].span, at: start.advanced(by: .seconds(second)))
                #expect(evicted.rawValue == leaving)
            }
            """)
}

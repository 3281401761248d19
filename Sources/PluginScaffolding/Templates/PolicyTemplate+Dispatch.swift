// SPDX-License-Identifier: Apache-2.0

extension PolicyTemplate {
    static let dispatch = PolicyTemplate(
        summary: "Sends requests where their adapter is, unless others are far less busy.",
        parameter: "slack", manifestValue: "8", ends: [".integer(0)", ".integer(1000)"],
        conformance: "DispatchPolicy",
        declaration: """
            @Parameter("How many requests more a replica with the adapter may have.", in: 0...1000)
            var slack: Int = 4
            """,
        property: "slack: Int",
        members: """
            /// Asked once for each request; the answer is one of `replicas`.
            func choose(
                for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
            ) throws(PolicyError) -> ReplicaID {
                guard !replicas.isEmpty else { throw PolicyError("there is no replica") }
                var best = replicas[0]
                for index in replicas.indices where cost(of: replicas[index]) < cost(of: best) {
                    best = replicas[index]
                }
                return best.id
            }

            /// Its requests, and as many as having to load the adapter is worth. Of equals, the lower
            /// number, so that the order in which replicas are shown does not matter.
            private func cost(of replica: ReplicaSnapshot) -> (Int, ReplicaID) {
                let requests = replica.waitingRequests + replica.runningRequests
                return (requests + (replica.isAdapterResident ? 0 : slack), replica.id)
            }
            """,
        promises: """

            @Test(arguments: [(4, 0), (5, 1)])
            func theAdapterDecidesWithinTheSlack(load: Int, chosen: Int) throws {
                var holder = ReplicaSnapshot(id: ReplicaID(rawValue: 0))
                holder.waitingRequests = load
                var idle = ReplicaSnapshot(id: ReplicaID(rawValue: 1))
                idle.isAdapterResident = false
                let now = Instant(nanoseconds: 0)
                let request = RequestSnapshot(
                    id: RequestID(rawValue: 1), adapter: AdapterID(rawValue: 1), arrival: now,
                    promptTokens: 5)
                let policy = try POLICY(parameters: .init(), seed: 1)
                let choice = try policy.choose(for: request, among: [holder, idle].span, at: now)
                #expect(choice.rawValue == chosen)
            }
            """)
}

// SPDX-License-Identifier: Apache-2.0

extension PolicyTemplate {
    static let migration = PolicyTemplate(
        summary: "Moves waiting requests from the longest queue to the shortest.",
        parameter: "gap", manifestValue: "4", ends: [".integer(2)", ".integer(10000)"],
        conformance: "MigrationPolicy",
        declaration: """
            @Parameter("By how many requests two queues must differ.", in: 2...10_000)
            var gap: Int = 8
            """,
        property: "gap: Int",
        members: """
            /// Asked after every few events, so it must be cheap.
            func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool {
                var (least, most) = (Int.max, 0)
                for index in replicas.indices {
                    least = min(least, replicas[index].waitingRequests)
                    most = max(most, replicas[index].waitingRequests)
                }
                return most >= gap && most - least >= gap
            }

            /// Asked where it is due. What would take long is answered with `.solve`, and then computed
            /// while everything goes on.
            func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
                var queues = [[RequestID]](repeating: [], count: fleet.replicas.count)
                for placed in fleet.requests where placed.request.phase == .waiting {
                    guard queues.indices.contains(placed.replica.rawValue) else { continue }
                    queues[placed.replica.rawValue].append(placed.request.id)
                }
                guard
                    let long = queues.indices.max(by: { queues[$0].count < queues[$1].count }),
                    let short = queues.indices.min(by: { queues[$0].count < queues[$1].count }),
                    queues[long].count - queues[short].count >= gap
                else { return .none }
                // Those at the end would wait longest; half the difference makes both alike.
                let moving = queues[long].suffix((queues[long].count - queues[short].count) / 2)
                return .plan(
                    MigrationPlan(
                        requests: moving.map {
                            RequestMove($0, from: ReplicaID(rawValue: long), to: ReplicaID(rawValue: short))
                        }))
            }
            """,
        promises: """

            @Test func halfTheDifferenceMoves() throws {
                let now = Instant(nanoseconds: 0)
                var fleet = FleetSnapshot(now: now)
                fleet.replicas = (0..<2).map {
                    FleetReplica(load: ReplicaSnapshot(id: ReplicaID(rawValue: $0)))
                }
                fleet.requests = (1...10).map { number in
                    FleetRequest(
                        request: RequestSnapshot(
                            id: RequestID(rawValue: UInt64(number)), adapter: .base, arrival: now,
                            promptTokens: 5),
                        replica: ReplicaID(rawValue: 0))
                }
                let policy = try POLICY(parameters: .init(), seed: 1)
                guard case .plan(let plan) = try policy.propose(for: fleet) else {
                    Issue.record("nothing moves")
                    return
                }
                #expect(plan.requests.map(\\.request.rawValue) == [6, 7, 8, 9, 10])
            }
            """)
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([RoundRobin.self])
}

/// Each request goes to the replica after the one before.
final class RoundRobin: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "round-robin", version: "1.0.0",
            summary: "Replicas take requests in turn, whatever they have to do and whichever "
                + "adapters they hold; a baseline.")
    }

    private static let schema = "turn/1"
    private var turn: UInt64 = 0

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        defer { turn &+= 1 }
        return replicas[Int(turn % UInt64(replicas.count))].id
    }

    func exportState() -> PolicyState? {
        PolicyState(
            schema: Self.schema,
            bytes: (0..<8).map { UInt8(truncatingIfNeeded: turn >> UInt64(8 * $0)) })
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == Self.schema, state.bytes.count == 8 else {
            throw PolicyError("the state is no turn of '\(Self.schema)'")
        }
        turn = (0..<8).reduce(0) { $0 | UInt64(state.bytes[$1]) << UInt64(8 * $1) }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([RoundRobin.self])
}

/// One replica after the other, whatever they hold.
final class RoundRobin: DispatchPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "round-robin", version: "1.0.0",
            summary: "Replicas take requests in turn, whatever they hold and whichever adapters "
                + "are resident; a baseline.")
    }

    private static let schema = "turn/1"

    /// Who had the last turn; `nil` before the first.
    private var last: ReplicaID?

    init(parameters: NoParameters, seed: UInt64) {}

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard !replicas.isEmpty else { throw PolicyError("there is no replica to choose from") }
        // The order in which they are shown does not matter: the next higher identifier, or the
        // lowest of all.
        var lowest = replicas[0].id
        var next: ReplicaID?
        for index in replicas.indices {
            let id = replicas[index].id
            lowest = min(lowest, id)
            if let last, id > last { next = min(next ?? id, id) }
        }
        let chosen = next ?? lowest
        last = chosen
        return chosen
    }

    func exportState() -> PolicyState? {
        let word = Int64(last?.rawValue ?? -1)
        return PolicyState(
            schema: Self.schema,
            bytes: (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) })
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == Self.schema else {
            throw PolicyError("round-robin keeps '\(Self.schema)', not '\(state.schema)'")
        }
        guard state.bytes.count == 8 else {
            throw PolicyError("the state has \(state.bytes.count) bytes: expected 8")
        }
        let word = (0..<8).reduce(Int64(0)) { $0 | Int64(state.bytes[$1]) << (8 * $1) }
        guard word >= -1 else { throw PolicyError("the state holds replica \(word)") }
        last = word < 0 ? nil : ReplicaID(rawValue: Int(word))
    }
}

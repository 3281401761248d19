// SPDX-License-Identifier: Apache-2.0

import CPolicy
import PolicyKit

/// A dispatch policy in C; it has no wishes where adapters should lie.
final class CDispatchPolicy: DispatchPolicy, ForeignPolicy {
    let instance: CInstance
    private let replicas = CScratch<burrow_replica>()

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) { throw Self.unmade }

    init(_ instance: CInstance) { self.instance = instance }

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        guard let decide = instance.policy.dispatch?.pointee.choose, !replicas.isEmpty else {
            throw PolicyError("there is no replica to choose")
        }
        let room = self.replicas.reserve(replicas.count)
        for index in replicas.indices {
            (room + index).initialize(to: burrow_replica(replicas[index]))
        }
        var question = burrow_dispatch_question()
        question.size = size(of: burrow_dispatch_question.self)
        question.now_ns = now.nanoseconds
        question.replica_count = UInt64(replicas.count)
        question.replica_stride = UInt64(MemoryLayout<burrow_replica>.stride)
        question.replicas = UnsafePointer(room)
        var asked = burrow_request(request)
        var chosen = room.pointee.id
        try instance.call { policy, error in
            withUnsafePointer(to: &asked) { asked in
                question.request = asked
                return decide(policy, &question, &chosen, error)
            }
        }
        return ReplicaID(rawValue: Int(chosen))
    }
}

/// A residency policy in C.
final class CResidencyPolicy: ResidencyPolicy, ForeignPolicy {
    let instance: CInstance
    private let candidates = CScratch<burrow_resident>()

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) { throw Self.unmade }

    init(_ instance: CInstance) { self.instance = instance }

    func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID {
        guard let decide = instance.policy.residency?.pointee.evict, !candidates.isEmpty else {
            throw PolicyError("there is no adapter to choose")
        }
        let room = self.candidates.reserve(candidates.count)
        var oldest = 0
        for index in candidates.indices {
            (room + index).initialize(to: burrow_resident(candidates[index]))
            if candidates[index].lastUse < candidates[oldest].lastUse { oldest = index }
        }
        var question = burrow_residency_question()
        question.size = size(of: burrow_residency_question.self)
        question.now_ns = now.nanoseconds
        question.candidate_count = UInt64(candidates.count)
        question.candidate_stride = UInt64(MemoryLayout<burrow_resident>.stride)
        question.candidates = UnsafePointer(room)
        var chosen = candidates[oldest].id.rawValue
        try instance.call { policy, error in decide(policy, &question, &chosen, error) }
        return AdapterID(rawValue: chosen)
    }
}

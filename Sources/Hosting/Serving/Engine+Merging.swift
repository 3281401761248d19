// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import Logging
internal import PolicyKit
internal import Scheduling

// Merged copies: built by the compute thread between its steps, kept as the fleet decides.
extension Engine {
    /// Carries out what the scheduler has decided about merged copies.
    func performMerges(on replica: ReplicaID) {
        for action in fleet.takeMergeActions(of: replica) {
            let compute = replicas[replica.rawValue]
            switch action {
            case .build(let id):
                guard let resident = residents[id] else {
                    fleet.copyFailed(id, on: replica, at: Self.now)
                    continue
                }
                compute.build(MergeJob(adapter: id, packed: resident.packed))
            case .drop(let id):
                compute.merged[id] = nil
            }
        }
    }

    /// A compute thread has built a copy, or could not.
    func mergeEnded(on replica: Int, _ result: MergeResult) {
        let id = ReplicaID(rawValue: replica)
        switch result.model {
        case .success(let model):
            replicas[replica].merged[result.adapter] = model
            metrics.mergeCompleted(replica: replica, took: result.time)
            fleet.copyBuilt(
                result.adapter, bytes: model.byteCount, time: result.time, on: id, at: Self.now)
        case .failure(let error):
            let name = catalog[result.adapter]?.name ?? "?"
            log.error("the weights merged with '\(name)' could not be built: \(error)")
            fleet.copyFailed(result.adapter, on: id, at: Self.now)
        }
    }
}

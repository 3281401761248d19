// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import ManifestLoading
internal import PolicyKit
internal import Scheduling

// Those who follow the decisions of a replica, or the requests.
extension Engine {
    /// Has the recording take all records from now on; one for each replica.
    func attach(_ recording: TraceRecording, _ manifest: Manifest) {
        let replica = recording.wish.replica
        let id = ReplicaID(rawValue: replica)
        let policies = fleet.startRecording(on: id)
        recordings[replica] = recording
        recording.onEnd = { [weak self] in
            self?.recordings[replica] = nil
            self?.stopRecording(on: id)
        }
        recording.start(
            TraceHeader(
                version: BurrowVersion.text, host: manifest.metadata.name.value, replica: replica,
                batching: TraceHeader.Policy(
                    policies.batching, manifest.selection(of: .batching), replica: replica),
                fairness: TraceHeader.Policy(
                    policies.fairness, manifest.selection(of: .fairness), replica: replica)))
    }

    /// Has the recording take all requests that come from now on.
    func attach(_ recording: WorkloadRecording) {
        workload = recording
        recording.onEnd = { [weak self] in self?.workload = nil }
        recording.begin(adapters: catalog.entries.map(\.name))
    }

    /// Hands on what was recorded.
    func passRecords(of replica: Int) {
        let id = ReplicaID(rawValue: replica)
        guard fleet[id].isRecording else { return }
        let records = fleet.takeRecords(of: id)
        recordings[replica]?.take(records)
        guard let shadow else { return }
        // Records that were lost end a recording, and begin another for the shadow.
        if records == nil, recordings[replica] == nil { _ = fleet.startRecording(on: id) }
        shadow.take(records ?? [], of: replica)
        shadow.take(fleet.takeDispatchRecords())
    }

    /// Ends the recording of a replica that nobody follows any more.
    private func stopRecording(on id: ReplicaID) {
        if shadow == nil, recordings[id.rawValue] == nil { fleet.stopRecording(on: id) }
    }

    /// Lets policies decide beside those that are live, from now on.
    func start(_ shadow: Shadow) {
        self.shadow = shadow
        for index in replicas.indices {
            let id = ReplicaID(rawValue: index)
            if !fleet[id].isRecording { _ = fleet.startRecording(on: id) }
        }
        fleet.recordDispatch(true)
    }

    /// Brings the metrics up to date with what the shadow has decided.
    func countShadow() {
        guard let report = shadow?.report else { return }
        metrics.shadowAnswered(report, since: countedShadow)
        countedShadow = report
    }

    /// Ends what ``start(_:)`` began.
    func stopShadow() {
        countShadow()
        countedShadow = nil
        shadow?.close()
        shadow = nil
        fleet.recordDispatch(false)
        for index in replicas.indices { stopRecording(on: ReplicaID(rawValue: index)) }
    }
}

nonisolated extension TraceHeader.Policy {
    fileprivate init(_ policy: RecordedPolicy, _ selection: PolicySelection, replica: Int) {
        self.init(
            name: policy.name, type: selection.type, parameters: selection.parameters,
            seed: HostAssembly.policySeed(of: replica))
        state = policy.state
        calls = policy.calls
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Inference
internal import ManifestLoading
internal import ModelLoading
internal import PolicyKit
internal import Scheduling

extension Engine {
    /// How the host stands.
    func status(of manifest: Manifest, since start: Instant, isDraining: Bool) -> HostStatus {
        let now = Self.now
        return HostStatus(
            version: BurrowVersion.text, name: manifest.metadata.name.value,
            processIdentifier: Int(getpid()), uptime: start.duration(to: now).seconds,
            generation: generation, digest: facts?.digest ?? "", isDraining: isDraining,
            unfinishedRequests: unfinished, model: HostStatus.Model(model),
            adapters: adapterStatuses(), mixtures: mixtureStatuses,
            replicas: fleet.replicas.map { status(of: $0, at: now) },
            migration: HostStatus.Migration(fleet.migrationCounters, isMoving: fleet.isMigrating),
            policies: policyStatuses(of: manifest, at: now))
    }

    /// The name of an adapter, also of one that is served no longer.
    func name(of id: AdapterID) -> String {
        id.isBase ? model.name : catalog[id]?.name ?? "adapter \(id.rawValue)"
    }

    private func adapterStatuses() -> [HostStatus.Adapter] {
        var unfinished: [AdapterID: Int] = [:]
        for sequence in sequences.values {
            unfinished[sequence.generation.job.adapter, default: 0] += 1
        }
        return catalog.entries.map { entry in
            let described = fleet.replicas.lazy.compactMap {
                $0.residency.description(of: entry.id)
            }
            return HostStatus.Adapter(
                name: entry.name, generation: entry.generation, isPinned: entry.isPinned,
                rank: entry.maximumRank, bytes: entry.byteCount,
                weight: described.first?.weight ?? 1, requests: entry.requests,
                unfinished: unfinished[entry.id] ?? 0, loads: entry.loads,
                evictions: entry.evictions,
                residency: fleet.replicas.map { $0.residency.state(of: entry.id).text })
        }
    }

    private var mixtureStatuses: [HostStatus.Mixture] {
        mixtures.values.sorted { $0.name < $1.name }.map { mixture in
            HostStatus.Mixture(
                name: mixture.name, experts: mixture.experts, gating: mixture.gating.name,
                gatingType: mixture.gating.type, fault: mixture.fault)
        }
    }

    private func status(of replica: ReplicaScheduler, at now: Instant) -> HostStatus.Replica {
        let timeline = replica.timeline.changes.map { status(of: $0, at: now) }
        let counters = replica.counters
        return HostStatus.Replica(
            mode: timeline.last ?? HostStatus.Mode(mode: "unmerged"), timeline: timeline,
            queue: HostStatus.Queue(
                waiting: replica.backlog.waiting, running: replica.runningRequests,
                promptTokens: replica.backlog.promptTokens,
                outputTokens: replica.backlog.outputTokens),
            pages: HostStatus.Pages(
                used: replica.pages.usedPages, free: replica.pages.freePages,
                cached: replica.pages.cachedPages, tokensEach: replica.pages.pageTokens),
            copies: HostStatus.Copies(
                capacity: replica.copies.capacity, ready: replica.copies.ready.map(name),
                building: replica.copies.building.map(name)),
            steps: HostStatus.Steps(counters, tokenLimit: replica.tokenLimit),
            counts: HostStatus.Counts(counters), costs: HostStatus.Costs(replica.costs.estimates),
            fairness: fairness(of: replica.ledger, at: now), isTraced: replica.isRecording)
    }

    private func status(of change: ModeChange, at now: Instant) -> HostStatus.Mode {
        HostStatus.Mode(
            mode: ReplicaMode(change.mode).rawValue, adapter: change.mode.mergedAdapter.map(name),
            since: change.since.duration(to: now).seconds)
    }

    private func fairness(of ledger: ServiceLedger, at now: Instant) -> HostStatus.Fairness {
        let figures = ledger.figures(at: now)
        return HostStatus.Fairness(
            adapters: figures.adapters, jainIndex: figures.jainIndex,
            largestServiceGap: figures.largestServiceGap,
            longestUnserved: figures.longestUnserved.seconds,
            services: ledger.services(at: now).map { service in
                HostStatus.Service(
                    adapter: name(of: service.adapter), tokens: service.service,
                    isBacklogged: service.isBacklogged, unserved: service.unserved?.seconds)
            })
    }

    private func policyStatuses(of manifest: Manifest, at now: Instant) -> [HostStatus.Policy] {
        var policies: [HostStatus.Policy] = []
        for (index, replica) in fleet.replicas.enumerated() {
            policies += replica.policyStatuses.map {
                HostStatus.Policy($0, of: manifest, replica: index, at: now)
            }
        }
        return policies + [
            HostStatus.Policy(fleet.dispatchStatus, of: manifest, replica: nil, at: now),
            HostStatus.Policy(fleet.migrationStatus, of: manifest, replica: nil, at: now),
        ]
    }
}

nonisolated extension HostStatus.Model {
    fileprivate init(_ model: ServedModel) {
        self.init(
            name: model.name, root: model.root, family: model.configuration.family.rawValue,
            dtype: model.packed.type.rawValue, parameters: model.configuration.parameterCount,
            bytes: model.packed.byteCount, contextLength: model.contextLength)
    }
}

nonisolated extension HostStatus.Steps {
    fileprivate init(_ counters: ReplicaCounters, tokenLimit: Int) {
        self.init(
            unmerged: counters.unmergedSteps, merged: counters.mergedSteps,
            mixed: counters.mixedSteps, unmergedInstead: counters.unmergedInstead,
            unmergedSeconds: counters.unmergedTime.seconds,
            mergedSeconds: counters.mergedTime.seconds, mixedSeconds: counters.mixedTime.seconds,
            switches: counters.switches, merges: counters.merges,
            mergeSeconds: counters.mergeTime.seconds, tokenLimit: tokenLimit)
    }
}

nonisolated extension HostStatus.Counts {
    fileprivate init(_ counters: ReplicaCounters) {
        self.init(
            submitted: counters.submitted, finished: counters.finished,
            cancelled: counters.cancelled, failed: counters.failed, aborted: counters.aborted,
            preemptions: counters.preemptions, promptTokens: counters.promptTokens,
            generatedTokens: counters.generatedTokens)
    }
}

nonisolated extension HostStatus.Costs {
    fileprivate init(_ costs: CostEstimates) {
        var terms: [String: Double] = [:]
        if costs.observations > 0 {
            for term in CostTerm.allCases { terms[term.rawValue] = term.seconds(of: costs) }
        }
        self.init(
            observations: costs.observations, relativeError: costs.relativeError, terms: terms,
            mergeSeconds: costs.mergeTime?.seconds, loadSecondsPerByte: costs.loadSecondsPerByte,
            outputShare: costs.outputShare)
    }
}

nonisolated extension HostStatus.Migration {
    fileprivate init(_ counters: MigrationCounters, isMoving: Bool) {
        self.init(
            isMoving: isMoving, plans: counters.plans, stalePlans: counters.stalePlans,
            failedSolves: counters.failedSolves, handedOver: counters.handedOver,
            recomputed: counters.recomputed, waiting: counters.waiting, skipped: counters.skipped,
            rescued: counters.rescued, pages: counters.handedOverPages,
            adaptersLoaded: counters.placed, adaptersDropped: counters.displaced,
            solvingSeconds: counters.solvingTime.seconds,
            longestSolving: counters.longestSolving.seconds)
    }
}

nonisolated extension HostStatus.Policy {
    fileprivate init(
        _ status: PolicyStatus, of manifest: Manifest, replica: Int?, at now: Instant
    ) {
        self.init(
            kind: status.kind.rawValue, name: status.name,
            type: manifest.selection(of: status.kind).type, replica: replica, state: "active",
            strikes: status.strikes, fallBacks: status.fallBacks, calls: status.calls,
            seconds: status.time.seconds, longestCall: status.longestCall.seconds)
        switch status.state {
        case .active: break
        case .trial: state = "trial"
        case .fallenBack(let until):
            state = "fallenBack"
            fallenBackFor = max(.zero, now.duration(to: until)).seconds
        }
        lastStrike = status.lastStrike.map {
            HostStatus.Strike(
                fault: $0.fault.rawValue, message: $0.message,
                ago: $0.at.duration(to: now).seconds)
        }
    }
}

nonisolated extension AdapterResidency.State {
    fileprivate var text: String {
        switch self {
        case .absent: "absent"
        case .loading: "loading"
        case .resident: "resident"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
package import Inference
package import Logging
package import LoopIO
package import ManifestLoading
internal import ModelLoading
package import PolicyKit
package import Scheduling
internal import Supervision

/// Serves one model: takes jobs, drives the fleet's decisions and the replicas' compute threads,
/// and reports each token to whoever asked for it. Loop thread only.
package final class Engine {
    package let model: ServedModel
    package internal(set) var catalog = AdapterCatalog()
    package internal(set) var fleet: Fleet
    package internal(set) var metrics: ServingMetrics
    /// What the manifest says of service classes, adapters and tenants.
    var shares: ServiceShares

    var sequences: [RequestID: LiveSequence] = [:]
    /// Those that guess their tokens ahead, in order of arrival.
    var speculating: [RequestID] = []
    var generations: [Int: Generation] = [:]
    var replicas: [ReplicaCompute] = []
    /// Adapters that are packed for the kernels, shared by the replicas that hold them.
    var residents: [AdapterID: ResidentAdapter] = [:]
    let loader: AdapterLoader
    let log: Logger
    /// Adapters that are being read before they are made known.
    var reads: [Int: AdapterRead] = [:]
    /// The mixtures of the manifest, by name.
    var mixtures: [String: ServedMixture] = [:]
    /// Those who wait for a mixture to be opened.
    var openings: [Int: (Result<OpenedMixture, AdapterLoadFailure>) -> Void] = [:]
    /// Makes the policy that makes a mixture's gate: a new one each time.
    var makeGating: (PolicySelection) throws(HostError) -> any GatingPolicy
    let reserve: GateReserve
    private var nextRequest: UInt64 = 1
    private var nextGeneration = 1
    private var nextRead = 1
    private var inbox: LoopInbox<EngineMessage>?
    private var onIdle: (() -> Void)?
    /// Asks again a policy that plans nothing although requests could run.
    private let patience: LoopTimer
    var reported: [String: PolicyReport] = [:]
    /// Whether the dispatch policy is asked where adapters should lie.
    var placesAdapters = false
    /// Solves migration plans that take long; made with the first one.
    var solver: JobThread<MigrationTask>?
    /// Hears of each step that has ended.
    var onStep: ((ServedStep) -> Void)?
    /// Those who follow decisions, by replica.
    var recordings: [Int: TraceRecording] = [:]
    /// Who follows the requests.
    var workload: WorkloadRecording?
    /// Policies that decide beside those that are live, without effect.
    var shadow: Shadow?
    /// What the metrics know of it.
    var countedShadow: ShadowReport?
    /// The time between tokens, of late.
    var tokenGaps = TokenGaps()
    /// Where it is written which policy is being asked.
    var journal: CrashJournal?
    /// What is in force, where it came from a manifest.
    var facts: GenerationFacts?
    var generation = 1
    /// Replicas that have not planned since policies were last replaced.
    var unacknowledged: Set<Int> = []
    /// Called when the last of them has.
    var onAcknowledged: (() -> Void)?
    /// The gates of mixtures that a generation before has opened, while requests may need them.
    var gateMakers: [AdapterID: GateMaker] = [:]
    /// The requests of the last ten minutes.
    var ring = WorkloadRing()

    /// Starts the compute threads; `fleet` has as many replicas as `executors`.
    ///
    /// - Throws: `LoopError` where the loop has no room for another handle.
    package init(_ parts: EngineParts, loop: EventLoop) throws(LoopError) {
        model = parts.model
        fleet = parts.fleet
        metrics = parts.metrics
        shares = parts.shares
        makeGating = parts.makeGating
        reserve = parts.reserve
        log = parts.log
        let relay = MessageRelay()
        let inbox = try LoopInbox<EngineMessage>(loop: loop) { relay.deliver($0) }
        self.inbox = inbox
        patience = try LoopTimer(loop: loop)
        loader = AdapterLoader(model: parts.model, inbox: inbox)
        replicas = parts.executors.enumerated().map { index, configuration in
            ReplicaCompute(
                index: index, model: parts.model,
                ExecutorParts(configuration: configuration, pool: parts.pool), inbox: inbox)
        }
        relay.deliver = { [weak self] messages in self?.take(messages) }
    }

    /// The present, on the clock that the fleet's decisions use.
    package static var now: Instant { Instant(nanoseconds: Int64(clamping: EventLoop.now)) }

    /// Requests that have not ended.
    package var unfinished: Int { sequences.count }

    /// Calls `then` when nothing is left to do; at once if that is so already.
    package func whenIdle(_ then: @escaping () -> Void) {
        if sequences.isEmpty { return then() }
        onIdle = then
    }

    /// Lets the threads end and takes no more answers.
    package func close() {
        for replica in replicas { replica.close() }
        loader.close()
        solver?.close()
        patience.close()
        inbox?.close()
        inbox = nil
    }

    // MARK: - Inside

    func makeRequestID() -> RequestID {
        defer { nextRequest += 1 }
        return RequestID(rawValue: nextRequest)
    }

    func makeReadTicket() -> Int {
        defer { nextRead += 1 }
        return nextRead
    }

    func makeGenerationID() -> Int {
        defer { nextGeneration += 1 }
        return nextGeneration
    }

    /// Has the loop take a message after what it does now.
    func post(_ message: EngineMessage) { inbox?.post(message) }

    /// Posts messages from other threads.
    var poster: @Sendable (EngineMessage) -> Void {
        let inbox = inbox
        return { inbox?.post($0) }
    }

    private func take(_ messages: [EngineMessage]) {
        for message in messages {
            switch message {
            case .nearlyStepped(let replica, let number): planAhead(of: number, on: replica)
            case .stepped(let replica, let result): stepEnded(on: replica, result)
            case .merged(let replica, let result): mergeEnded(on: replica, result)
            case .packed(let load): adapterPacked(load)
            case .aborted(let ids): endAborted(ids)
            case .solved(let ticket, let plan): migrationSolved(ticket, plan)
            case .read(let ticket, let weights): reads.removeValue(forKey: ticket)?.then(weights)
            case .opened(let ticket, let mixture): openings.removeValue(forKey: ticket)?(mixture)
            }
        }
        advance()
    }

    /// Carries out what the last events have made possible: loads, unloads, steps.
    func advance() {
        for replica in replicas.indices { advance(replica) }
        migrate()
        if sequences.isEmpty, let onIdle {
            self.onIdle = nil
            onIdle()
        }
    }

    func advance(_ replica: Int) {
        let id = ReplicaID(rawValue: replica)
        performActions(on: id)
        if !replicas[replica].isBusy {
            if let plan = fleet.planStep(on: id, at: Self.now, drafts: guess(on: replica)) {
                start(plan, on: replica)
            } else if fleet.isHoldingBack(id), !patience.isActive {
                patience.start(after: .milliseconds(1)) { [weak self] in self?.advance() }
            }
            noteAborts(on: id)
            performActions(on: id)
        }
        performMerges(on: id)
        passRecords(of: replica)
        observeReplica(replica)
        if !replicas[replica].isBusy { acknowledge(replica) }
    }
}

/// What an engine is made of.
package struct EngineParts {
    package var model: ServedModel
    package var fleet: Fleet
    package var executors: [ExecutorConfiguration]
    /// The KV pages of all replicas.
    package var pool: KeyValuePool
    package var metrics: ServingMetrics
    package var shares = ServiceShares()
    package var makeGating: (PolicySelection) throws(HostError) -> any GatingPolicy
    var reserve = GateReserve()
    package var log: Logger
}

/// A step of a replica that has ended.
nonisolated struct ServedStep {
    var work: StepWork
    /// The sum of the positions at which its requests went on.
    var cachedTokens: Int
    var time: Duration
    /// How many other replicas compute.
    var others: Int
}

/// What other threads tell the engine.
nonisolated enum EngineMessage: Sendable {
    /// Only the output head of this step is left to do.
    case nearlyStepped(replica: Int, number: Int)
    case stepped(replica: Int, StepResult)
    case merged(replica: Int, MergeResult)
    case packed(AdapterLoad)
    case aborted([RequestID])
    case solved(ticket: Int, Result<MigrationPlan, PolicyError>)
    case read(ticket: Int, Result<AdapterWeights, ModelLoadingError>)
    case opened(ticket: Int, Result<OpenedMixture, AdapterLoadFailure>)
}

/// Stands between the inbox, which the threads need, and the engine, which is made after them.
private final class MessageRelay {
    var deliver: ([EngineMessage]) -> Void = { _ in }
}

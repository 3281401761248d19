// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import PolicyKit
import Scheduling
import TestSupport

@testable import Inference

/// A fleet whose replicas have an executor each and their KV pages in one pool, and among which
/// requests move at random while they are served; what can fail does so now and then.
struct MigratingReplicas {
    private(set) var fleet: Fleet
    private(set) var answers: [RequestID: ReplicaRun.Answer] = [:]
    private(set) var ended: Set<RequestID> = []
    private(set) var moves: [CompletedMove.Way: Int] = [:]
    private(set) var abandoned = 0
    private let base: PackedModel
    private let executors: [Executor]
    private var weights: [AdapterID: PackedAdapter] = [:]
    private var tokens: [RequestID: [Int32]] = [:]
    private var ahead: [[Scheduling.StepPlan]]
    private var loads: [(AdapterID, ReplicaID)] = []
    private var random: SeededRandom
    private var now = Instant(nanoseconds: 0)

    init(base: PackedModel, replicas count: Int, sharesPrefixes: Bool, seed: UInt64) throws {
        let pages = 24
        self.base = base
        random = SeededRandom(seed: seed)
        let configuration = ExecutorConfiguration(
            pageCount: count * pages, maximumTokens: 50, maximumSequences: 6, contextLength: 512,
            threads: 1)
        let pool = try KeyValuePool(model: base.configuration, configuration: configuration)
        executors = try (0..<count).map { _ in
            try Executor(model: base, configuration: configuration, pool: pool)
        }
        ahead = Array(repeating: [], count: count)
        let replicas = (0..<count).map { index in
            var own = ReplicaConfiguration(
                id: ReplicaID(rawValue: index), batchRequests: 6, batchTokens: 50, pages: pages,
                adapterBytes: 3)
            own.pageTokens = ExecutorConfiguration.pageTokens
            own.firstPage = index * pages
            own.sharesPrefixes = sharesPrefixes
            return ReplicaScheduler(own, clock: { Instant(nanoseconds: 0) })
        }
        let policies = FleetPolicies(
            migration: NamedPolicy(name: "wandering", policy: RestlessMigration(seed: seed)))
        fleet = Fleet(
            replicas: replicas, policies: policies,
            limits: FleetLimits(queue: 100, contextLength: 512),
            clock: { Instant(nanoseconds: 0) })
    }

    mutating func register(_ adapter: AdapterWeights, as id: AdapterID) throws {
        weights[id] = try PackedAdapter(adapter, for: base)
        let description = AdapterDescription(id: id, bytes: 1, rank: adapter.maximumRank)
        precondition(fleet.register(description, at: now) == nil, "an adapter is refused")
    }

    mutating func ask(_ question: ReplicaRun.Question, as id: RequestID) {
        var new = NewRequest(
            id: id, adapter: question.adapter, arrival: now, promptTokens: question.prompt.count)
        new.prompt = question.prompt
        new.maximumTokens = question.count
        guard case .accepted = fleet.submit(new, at: now) else {
            preconditionFailure("a question is refused")
        }
        tokens[id] = question.prompt
        answers[id] = ReplicaRun.Answer()
    }

    /// Lets every replica do a step, and something move.
    ///
    /// - Returns: false where nothing is left to do.
    mutating func advance() throws -> Bool {
        now = now.advanced(by: .milliseconds(20))
        migrate()
        load()
        for replica in executors.indices { try step(replica) }
        return ended.count < answers.count
    }

    private mutating func migrate() {
        if let task = fleet.considerMigration(at: now) {
            let plan = Result { () throws(PolicyError) in try task.solve() }
            fleet.migrationSolved(task.ticket, plan, at: now)
        }
        fleet.advanceMoves(at: now)
        if fleet.isMigrating, random.chance(20) {
            fleet.abandonMoves(at: now)
            abandoned += 1
        }
        for move in fleet.takeMoves() { moves[move.way, default: 0] += 1 }
    }

    private mutating func load() {
        for replica in executors.indices.map(ReplicaID.init(rawValue:)) {
            for case .load(let id) in fleet.takeActions(of: replica) { loads.append((id, replica)) }
        }
        for (id, replica) in loads {
            // A load may only fail where others have the adapter: else its requests must end.
            let isHeld = fleet.replicas.contains {
                $0.configuration.id != replica && $0.residency.state(of: id) == .resident
            }
            if isHeld, random.chance(20) {
                let lost = fleet.adapterLoadFailed(id, on: replica, at: now)
                precondition(lost.isEmpty, "\(lost.count) requests end with a load")
            } else {
                _ = fleet.adapterLoaded(
                    id, bytes: 1, time: .milliseconds(1), on: replica, at: now)
            }
        }
        loads.removeAll()
    }

    /// Ends the step under way, the next one of which may have been planned, and begins another.
    private mutating func step(_ index: Int) throws {
        let replica = ReplicaID(rawValue: index)
        if ahead[index].isEmpty, let plan = fleet.planStep(on: replica, at: now) {
            ahead[index].append(plan)
        }
        guard let plan = ahead[index].first else { return }
        if ahead[index].count == 1, random.chance(50),
            let next = fleet.planAhead(on: replica, at: now)
        {
            ahead[index].append(next)
        }
        // Moves are asked for while the step is under way, too.
        migrate()
        ahead[index].removeFirst()
        let chunks = try plan.entries.map { entry in
            let known = tokens[entry.id, default: []]
            guard entry.position + entry.tokens <= known.count else {
                throw InferenceError(.invalidStep, "\(entry.id.rawValue) has no such tokens")
            }
            return SequenceChunk(
                tokens: Array(known[entry.position..<entry.position + entry.tokens]),
                position: entry.position, pages: entry.pages,
                adapters: weights[entry.adapter].map { [AdapterUse($0)] } ?? [],
                logitRows: entry.samples ? 1 : 0)
        }
        let output = try executors[index].run(ExecutorStep(weights: .base, chunks: chunks))
        var outcome = StepOutcome(number: plan.number, stepTime: .milliseconds(1))
        for (entry, rows) in zip(plan.entries, output.rows) {
            guard let row = rows.first else { continue }
            let logits = output.logits.withRow(row) { Array($0) }
            let token = ReplicaRun.greedy(logits)
            answers[entry.id]?.tokens.append(token)
            answers[entry.id]?.logits.append(logits.map(\.bitPattern))
            tokens[entry.id]?.append(token)
            outcome.tokens[entry.id] = [token]
        }
        ended.formUnion(fleet.complete(outcome, on: replica, at: now))
    }
}

/// Moves some requests somewhere else, again and again.
private final class RestlessMigration: MigrationPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "restless-migration", version: "1.0.0", summary: "Moves anything.")
    }

    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }
    init(parameters: NoParameters, seed: UInt64) { random = SeededRandom(seed: seed) }

    func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool {
        random.chance(50)
    }

    func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal {
        var plan = MigrationPlan()
        for request in fleet.requests where random.chance(50) {
            let target = ReplicaID(rawValue: random.below(fleet.replicas.count))
            guard target != request.replica else { continue }
            plan.requests.append(
                RequestMove(request.request.id, from: request.replica, to: target))
        }
        return .plan(plan)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import TestSupport

/// A fleet with tiny memory to which random things happen.
struct RandomFleet {
    /// Which policies plan.
    enum Policies: CaseIterable, Sendable {
        case builtIn, nasty, spiteful, wandering
    }

    private(set) var fleet: Fleet
    private(set) var witness = FleetWitness()
    private(set) var events: [(FleetEvent, Instant)] = []
    private(set) var reactions: [FleetReaction] = []
    private(set) var now = Instant.start
    private var random: SeededRandom
    private let configuration: ReplicaConfiguration
    private var solution: (ticket: Int, plan: MigrationPlan?)?
    private var nextRequest: UInt64 = 1
    private var nextAdapter: UInt32 = 1
    private var adapters: [AdapterDescription] = []

    init(seed: UInt64, policies: Policies) {
        random = SeededRandom(seed: seed)
        var configuration = ReplicaConfiguration(
            id: replica(0), batchRequests: 1 + random.below(6), batchTokens: 4 + random.below(40),
            pages: 6 + random.below(12), adapterBytes: 10)
        configuration.pageTokens = 4
        configuration.mergedCopies = random.below(3)
        configuration.adapterPatience = .milliseconds(200)
        configuration.sharesPrefixes = random.chance(80)
        self.configuration = configuration
        fleet = Self.fleet(configuration, count: 1 + random.below(3), policies, seed: seed)
        for _ in 0..<5 { registerAdapter() }
    }

    static func fleet(
        _ configuration: ReplicaConfiguration, count: Int, _ kind: Policies, seed: UInt64
    ) -> Fleet {
        let replicas = (0..<count).map { index in
            var own = configuration
            own.id = ReplicaID(rawValue: index)
            own.firstPage = index * own.pages
            return ReplicaScheduler(
                own, policies: policies(kind, seed: seed &+ UInt64(index)), clock: { .start })
        }
        let nasty = NamedPolicy<any DispatchPolicy>(
            name: "nasty", policy: NastyDispatch(seed: seed))
        var global = FleetPolicies(dispatch: kind == .nasty ? nasty : nil)
        switch kind {
        case .builtIn, .spiteful: break
        case .wandering:
            global.migration = .init(name: "m", policy: WanderingMigration(seed: seed))
        case .nasty: global.migration = .init(name: "m", policy: NastyMigration(seed: seed))
        }
        return Fleet(
            replicas: replicas, policies: global,
            limits: FleetLimits(queue: 20, contextLength: 200), clock: { .start })
    }

    private static func policies(_ kind: Policies, seed: UInt64) -> ReplicaPolicies {
        var policies = ReplicaPolicies()
        switch kind {
        case .builtIn: break
        case .wandering:
            policies.batching = .init(name: "b", policy: WanderingBatching(seed: seed))
        case .nasty:
            policies.batching = .init(name: "b", policy: NastyBatching(seed: seed))
            policies.fairness = .init(name: "f", policy: NastyFairness(seed: seed))
            policies.residency = .init(name: "r", policy: NastyResidency(seed: seed))
        case .spiteful:
            policies.batching = .init(name: "b", policy: SpitefulBatching())
            policies.fairness = .init(name: "f", policy: SpitefulFairness())
        }
        return policies
    }

    /// A fresh fleet to which the same things can happen.
    static func twin(seed: UInt64, policies: Policies) -> Fleet {
        RandomFleet.unregistered(seed: seed, policies: policies)
    }

    private static func unregistered(seed: UInt64, policies: Policies) -> Fleet {
        let original = RandomFleet(seed: seed, policies: policies)
        return fleet(
            original.configuration, count: original.fleet.replicas.count, policies, seed: seed)
    }

    var problems: [String] { witness.problems + fleet.inconsistencies() }

    mutating func apply(_ event: FleetEvent) {
        let reaction = fleet.react(to: event, at: now)
        events.append((event, now))
        reactions.append(reaction)
        witness.witness(event, reaction, configuration: configuration)
    }

    /// Something happens, a little later.
    mutating func happen() {
        now = now.advanced(by: .microseconds(random.below(20_000)))
        switch random.below(100) {
        case 0..<25: submit()
        case 25..<29: if let id = someRequest() { apply(.cancel(id)) }
        case 29..<31: if let id = someRequest() { apply(.finish(id)) }
        case 31..<33: registerAdapter()
        case 33..<35: if let adapter = adapters.randomElement(using: &random) { retire(adapter) }
        case 35..<36: apply(.cancel(RequestID(rawValue: .max)))
        case 36..<38: apply(.abandonMoves)
        default: work(failing: true)
        }
    }

    /// Lets a migration policy have its say, and its solutions come in late, or never.
    private mutating func migrate() {
        apply(.migrate)
        if case .solution(let ticket, let plan) = reactions[reactions.count - 1].answer {
            solution = (ticket, plan)
        }
        guard let (ticket, plan) = solution, random.chance(50) else { return }
        solution = nil
        let result = plan.map { Result<MigrationPlan, PolicyError>.success($0) }
        apply(.solved(ticket, result ?? .failure(PolicyError("no"))))
    }

    /// Ends loads and steps and begins steps, on all replicas.
    mutating func work(failing: Bool) {
        if failing { migrate() } else { apply(.abandonMoves) }
        for replica in fleet.replicas.indices.map(ReplicaID.init(rawValue:)) {
            if let id = witness.loading[replica]?.randomElement(using: &random) {
                load(id, on: replica, failing: failing)
            }
            if let id = witness.building[replica], random.chance(30) {
                apply(
                    failing && random.chance(10)
                        ? .copyFailed(id, replica) : .copyBuilt(id, replica))
            }
            if let plan = witness.inFlight[replica]?.first {
                if random.chance(50) { apply(.planAhead(replica)) }
                if failing, random.chance(40) { continue }
                end(plan, on: replica, failing: failing)
            }
            apply(.plan(replica, drafts: random.chance(50) ? someDrafts() : [:]))
        }
    }

    /// Guesses of some requests, wherever they are and however far.
    private mutating func someDrafts() -> [RequestID: Int] {
        var drafts: [RequestID: Int] = [:]
        for id in witness.live.keys.sorted() where random.chance(50) {
            drafts[id] = [0, 1, 3, 9, .max, -1][random.below(6)]
        }
        return drafts
    }

    private mutating func load(_ id: AdapterID, on replica: ReplicaID, failing: Bool) {
        if failing, random.chance(5) { return apply(.loadFailed(id, replica)) }
        let declared = fleet[replica].residency.description(of: id)?.bytes ?? 1
        let grows = failing && random.chance(5)
        apply(.loaded(id, bytes: grows ? declared + random.below(8) : declared, replica))
    }

    private mutating func end(_ plan: StepPlan, on replica: ReplicaID, failing: Bool) {
        if failing, random.chance(2) { return apply(.failStep(plan.number, replica)) }
        var outcome = StepOutcome(
            number: plan.number, stepTime: .microseconds(100 + random.below(5_000)))
        if failing, random.chance(10) {
            outcome.finished = plan.entries.filter(\.samples).prefix(1).map(\.id)
        }
        for entry in plan.entries where entry.drafts > 0 {
            outcome.accepted[entry.id] = random.below(entry.drafts + 1)
        }
        if random.chance(50) {
            outcome.dropped = Set(plan.entries.map(\.id)).intersection(witness.over)
        }
        for entry in plan.entries where !failing || random.chance(90) {
            outcome.tokens[entry.id] = witness.answers(
                to: entry, accepted: outcome.accepted[entry.id] ?? 0)
        }
        apply(.complete(outcome, replica))
    }

    private mutating func submit() {
        var request = NewRequest(
            id: RequestID(rawValue: nextRequest), arrival: now,
            promptTokens: 1 + random.below(20))
        nextRequest += 1
        request.maximumTokens = 1 + random.below(20)
        if random.chance(70), let adapter = adapters.randomElement(using: &random) {
            request.adapter = adapter.id
        }
        request.prompt = prompt(of: request.promptTokens)
        if random.chance(30) { request.variant = UInt64(random.below(3)) }
        request.isUndivided = random.chance(20)
        if random.chance(2) { request.promptTokens = [0, -1, .max, .min][random.below(4)] }
        if random.chance(2) { request.maximumTokens = [0, -1, .max, .min][random.below(4)] }
        if random.chance(5) {
            request.arrival = now.advanced(by: .milliseconds(-random.below(500)))
        }
        apply(.submit(request))
    }

    /// One of a few beginnings that requests share, each going on in its own way somewhere.
    private mutating func prompt(of count: Int) -> [Int32] {
        let beginning = Int32(random.below(3))
        let common = random.below(count + 1)
        return (0..<count).map { index in
            index < common ? beginning + Int32(index % 5) : Int32(random.below(3))
        }
    }

    private mutating func someRequest() -> RequestID? {
        witness.live.keys.sorted().randomElement(using: &random)
    }

    private mutating func registerAdapter() {
        var adapter = AdapterDescription(
            id: AdapterID(rawValue: nextAdapter), bytes: 1 + random.below(7),
            rank: 8, isPinned: random.chance(10))
        adapter.isMergeable = random.chance(75)
        nextAdapter += 1
        adapters.append(adapter)
        apply(.register(adapter))
    }

    private mutating func retire(_ adapter: AdapterDescription) {
        adapters.removeAll { $0.id == adapter.id }
        apply(.retire(adapter.id))
    }

    /// Lets all that is left be served, with nothing failing any more.
    ///
    /// - Returns: whether nothing was left after so many rounds.
    mutating func drain(rounds: Int) -> Bool {
        for _ in 0..<rounds where !witness.live.isEmpty {
            now = now.advanced(by: .milliseconds(1))
            work(failing: false)
        }
        return witness.live.isEmpty
    }
}

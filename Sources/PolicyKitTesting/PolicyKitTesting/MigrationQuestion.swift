// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// A random fleet at a moment at which it is looked at.
struct MigrationQuestion: PolicyQuestion {
    var fleet: FleetSnapshot

    init(_ size: QuestionSize, from generator: inout SeededGenerator) {
        let now = generator.instant()
        fleet = FleetSnapshot(now: now)
        fleet.handoverSecondsPerToken = generator.chance(oneIn: 3) ? nil : 0
        let replicas = generator.integer(2...(size == .huge ? 64 : 6))
        let adapters = generator.integer(1...(size == .huge ? 128 : 8))
        for index in 1...adapters {
            var adapter = FleetAdapter(
                id: AdapterID(rawValue: UInt32(index)), bytes: 1 + generator.skewed(upTo: 1 << 20))
            adapter.rank = generator.integer(1...64)
            fleet.adapters.append(adapter)
        }
        var costs = CostEstimates()
        costs.observations = generator.chance(oneIn: 8) ? 0 : 100
        costs.perStep = 0.01
        costs.perPromptToken = 0.0001
        costs.perDecodeToken = 0.001
        for index in 0..<replicas {
            fleet.replicas.append(generator.fleetReplica(index, costs: costs))
        }
        let requests = size.count(from: &generator)
        for request in generator.requests(count: requests, at: now) {
            add(request, from: &generator)
        }
        fleet.requests.sort {
            ($0.replica, $0.request.arrival, $0.request.id)
                < ($1.replica, $1.request.arrival, $1.request.id)
        }
        for index in fleet.adapters.indices { place(index, from: &generator) }
        sum()
    }

    /// Puts a request on a replica, the first more often than the others.
    private mutating func add(_ request: RequestSnapshot, from generator: inout SeededGenerator) {
        var request = request
        let number = UInt32(generator.integer(0...fleet.adapters.count))
        request.adapter = AdapterID(rawValue: number)
        let replica =
            generator.chance(oneIn: 2) ? 0 : generator.integer(0...fleet.replicas.count - 1)
        var placed = FleetRequest(request: request, replica: ReplicaID(rawValue: replica))
        placed.pages = (request.computedTokens + 15) / 16
        placed.isHandoverPossible = !generator.chance(oneIn: 4)
        fleet.requests.append(placed)
    }

    /// Lets an adapter lie where requests run on it, and perhaps elsewhere.
    private mutating func place(_ index: Int, from generator: inout SeededGenerator) {
        let id = fleet.adapters[index].id
        var holders = Set(fleet.requests.filter { $0.request.adapter == id }.map(\.replica))
        if generator.chance(oneIn: 2) {
            holders.insert(
                ReplicaID(rawValue: generator.integer(0...fleet.replicas.count - 1)))
        }
        fleet.adapters[index].holders = holders.sorted()
    }

    /// Lets the sums over replicas be those of what lies on them.
    private mutating func sum() {
        for request in fleet.requests {
            let replica = request.replica.rawValue
            if request.request.phase == .waiting {
                fleet.replicas[replica].load.waitingRequests += 1
            } else {
                fleet.replicas[replica].load.runningRequests += 1
            }
            fleet.replicas[replica].load.pendingPromptTokens +=
                request.request.phase == .decoding ? 0 : request.request.pendingTokens
            fleet.replicas[replica].load.pendingOutputTokens +=
                request.request.maximumTokens - request.request.generatedTokens
            fleet.replicas[replica].load.totalPages += request.pages
            fleet.replicas[replica].load.pendingTime += .milliseconds(20)
        }
        for adapter in fleet.adapters {
            for holder in adapter.holders {
                fleet.replicas[holder.rawValue].usedAdapterBytes += adapter.bytes
            }
        }
        for index in fleet.replicas.indices {
            let used = fleet.replicas[index].usedAdapterBytes
            fleet.replicas[index].adapterBytes = max(used, fleet.replicas[index].adapterBytes)
        }
    }

    func ask(_ subject: any MigrationPolicy) throws(PolicyError) -> MigrationPlan {
        let loads = fleet.replicas.map(\.load)
        _ = subject.isDue(among: loads.span, at: fleet.now)
        switch try subject.propose(for: fleet) {
        case .none: return MigrationPlan()
        case .plan(let plan): return plan
        case .solve(let solve): return try solve()
        @unknown default: throw PolicyError("proposes something that this kit does not know")
        }
    }

    /// What a policy wants solved elsewhere holds nobody up.
    func decide(_ subject: any MigrationPolicy) throws(PolicyError) {
        let loads = fleet.replicas.map(\.load)
        _ = subject.isDue(among: loads.span, at: fleet.now)
        _ = try subject.propose(for: fleet)
    }

    func violation(of answer: MigrationPlan) -> String? {
        answer.violation(in: fleet)?.description
    }

    func report(
        _ answer: MigrationPlan, to subject: any MigrationPolicy,
        from generator: inout SeededGenerator
    ) {
        var outcome = MigrationOutcome()
        outcome.isStale = generator.chance(oneIn: 4)
        outcome.skipped = outcome.isStale ? answer.requests.count : 0
        outcome.handedOver = answer.requests.count - outcome.skipped
        subject.observe(outcome, at: fleet.now)
    }

    func shortened(stillFails: (MigrationQuestion) -> Bool) -> MigrationQuestion {
        func with(_ requests: [FleetRequest]) -> MigrationQuestion {
            var question = self
            question.fleet.requests = requests
            return question
        }
        return with(PolicyKitTesting.shortened(fleet.requests) { stillFails(with($0)) })
    }

    var text: String {
        listing(
            ["\(fleet.replicas.count) replicas, \(fleet.adapters.count) adapters"]
                + fleet.requests.map { "  on \($0.replica.rawValue): \($0.request.text)" })
    }

    static func policy(_ subject: any MigrationPolicy) -> any Policy { subject }
}

extension SeededGenerator {
    fileprivate mutating func fleetReplica(_ index: Int, costs: CostEstimates) -> FleetReplica {
        var load = ReplicaSnapshot(id: ReplicaID(rawValue: index))
        load.freePages = skewed(upTo: 1_000)
        load.totalPages = load.freePages
        load.batchRequests = integer(1...64)
        var replica = FleetReplica(load: load)
        replica.costs = costs
        replica.batchTokens = integer(1...2_048)
        replica.pageBytes = 1 << 14
        replica.adapterBytes = skewed(upTo: 1 << 24)
        return replica
    }
}

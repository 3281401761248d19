// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting

@testable import PolicyIsolation

/// Values of all types that travel in frames, with every field set to something.
struct RandomValues {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func next<Value>(_ values: ClosedRange<Value>) -> Value
    where Value: FixedWidthInteger {
        Value.random(in: values, using: &generator)
    }

    mutating func integer() -> Int { next(Int.min...Int.max) }
    mutating func number() -> Double { Double.random(in: -1e9...1e9, using: &generator) }
    mutating func boolean() -> Bool { Bool.random(using: &generator) }

    mutating func list<Value>(_ make: (inout RandomValues) -> Value) -> [Value] {
        (0..<next(0...5)).map { _ in make(&self) }
    }

    mutating func maybe<Value>(_ make: (inout RandomValues) -> Value) -> Value? {
        boolean() ? make(&self) : nil
    }

    mutating func adapter() -> AdapterID { AdapterID(rawValue: next(0...UInt32.max)) }
    mutating func replica() -> ReplicaID { ReplicaID(rawValue: integer()) }
    mutating func requestID() -> RequestID { RequestID(rawValue: next(0...UInt64.max)) }
    mutating func instant() -> Instant { Instant(nanoseconds: next(Int64.min...Int64.max)) }

    mutating func duration() -> Duration {
        Duration(
            secondsComponent: next(-1_000_000...1_000_000),
            attosecondsComponent: next(0...999_999_999_999_999_999))
    }

    mutating func text() -> String {
        String(list { "aß∂🐇 \0"[$0.next(0...5)] })
    }

    mutating func state() -> PolicyState {
        PolicyState(schema: text(), bytes: list { $0.next(0...255) })
    }

    mutating func parameter() -> ParameterValue {
        switch next(0...5) {
        case 0: .boolean(boolean())
        case 1: .integer(next(Int64.min...Int64.max))
        case 2: .number(number())
        case 3: .string(text())
        case 4: .duration(duration())
        default: .size(ByteCount(next(Int64.min...Int64.max)))
        }
    }

    mutating func recipe() -> PolicyRecipe {
        var recipe = PolicyRecipe(library: text(), type: text(), memory: next(0...UInt64.max))
        recipe.seed = next(0...UInt64.max)
        for name in list({ $0.text() }) { recipe.parameters[name] = parameter() }
        return recipe
    }

    // MARK: - Batching and fairness

    mutating func mode() -> BatchMode {
        switch next(0...2) {
        case 0: .unmerged
        case 1: .merged(adapter())
        default: .mixed(adapter())
        }
    }

    mutating func request() -> RequestSnapshot {
        var request = RequestSnapshot(
            id: requestID(), adapter: adapter(), tenant: TenantID(rawValue: next(0...UInt32.max)),
            arrival: instant(), promptTokens: integer())
        request.phase = RequestPhase(rawValue: next(0...2)) ?? .waiting
        request.isAdapterResident = boolean()
        request.adapterRank = integer()
        request.adapterWeight = number()
        request.tenantWeight = number()
        request.firstTokenDeadline = maybe { $0.instant() }
        request.computedTokens = integer()
        request.generatedTokens = integer()
        request.maximumTokens = integer()
        request.undividedTokens = integer()
        return request
    }

    mutating func limits() -> BatchLimits {
        var limits = BatchLimits(
            requests: integer(), tokens: integer(), freePages: integer(), pageTokens: integer())
        limits.undividedTokens = integer()
        return limits
    }

    mutating func work() -> StepWork {
        var work = StepWork()
        work.promptTokens = integer()
        work.decodeTokens = integer()
        work.attendedTokens = integer()
        work.rankTokens = integer()
        work.distinctRanks = integer()
        work.isMerged = boolean()
        return work
    }

    mutating func costs() -> CostEstimates {
        var costs = CostEstimates()
        costs.observations = integer()
        costs.relativeError = number()
        costs.perStep = number()
        costs.perPromptToken = number()
        costs.perDecodeToken = number()
        costs.perAttendedToken = number()
        costs.perRankToken = number()
        costs.perDistinctRank = number()
        costs.perMergedStep = number()
        costs.mergeTime = maybe { $0.duration() }
        costs.loadSecondsPerByte = maybe { $0.number() }
        costs.outputShare = number()
        return costs
    }

    mutating func batchingContext() -> BatchingContext {
        var context = BatchingContext(now: instant(), limits: limits())
        context.currentMode = mode()
        context.copies = MergedCopiesSnapshot(
            capacity: integer(), ready: list { $0.adapter() }, building: maybe { $0.adapter() })
        context.costs = costs()
        context.wantsReason = boolean()
        context.mustServe = list { $0.adapter() }
        context.notMergeable = Set(list { $0.adapter() })
        return context
    }

    mutating func fairnessContext() -> FairnessContext {
        var context = FairnessContext(now: instant(), limits: limits())
        context.currentMode = mode()
        context.costs = costs()
        context.wantsReason = boolean()
        return context
    }

    mutating func plan() -> BatchPlan {
        var plan = BatchPlan(
            mode: mode(),
            entries: list { BatchPlan.Entry(index: $0.integer(), tokens: $0.integer()) })
        plan.prepares = maybe { $0.adapter() }
        plan.reason = text()
        return plan
    }

    mutating func arrangement() -> FairnessArrangement {
        var arrangement = FairnessArrangement(order: list { $0.integer() })
        arrangement.mustServe = list { $0.adapter() }
        arrangement.notMergeable = Set(list { $0.adapter() })
        arrangement.aborts = list { $0.integer() }
        arrangement.predictedFirstTokens = list { $0.instant() }
        arrangement.reason = text()
        return arrangement
    }

    mutating func step() -> StepObservation {
        var step = StepObservation(
            start: instant(), stepTime: duration(), mode: mode(), served: [])
        step.served = list { $0.request() }
        step.mergeTime = duration()
        step.work = work()
        step.promptTokens = integer()
        step.decodeTokens = integer()
        step.servedTokens = list { $0.integer() }
        return step
    }

    mutating func settlement() -> ServiceSettlement {
        ServiceSettlement(
            now: instant(), step: step(), displaced: list { $0.request() },
            advanced: list { $0.request() })
    }

    // MARK: - The fleet

    mutating func replicaSnapshot() -> ReplicaSnapshot {
        var replica = ReplicaSnapshot(id: replica())
        replica.waitingRequests = integer()
        replica.runningRequests = integer()
        replica.pendingPromptTokens = integer()
        replica.pendingOutputTokens = integer()
        replica.pendingTime = duration()
        replica.queueTime = duration()
        replica.freePages = integer()
        replica.totalPages = integer()
        replica.batchRequests = integer()
        replica.mergedAdapter = maybe { $0.adapter() }
        replica.adapterRequests = integer()
        replica.isAdapterResident = boolean()
        replica.adapterLoadTime = duration()
        return replica
    }

    mutating func fleet() -> FleetSnapshot {
        var fleet = FleetSnapshot(now: instant())
        fleet.replicas = list { values in
            var replica = FleetReplica(load: values.replicaSnapshot())
            replica.costs = values.costs()
            replica.batchTokens = values.integer()
            replica.pageTokens = values.integer()
            replica.pageBytes = values.integer()
            replica.adapterBytes = values.integer()
            replica.usedAdapterBytes = values.integer()
            return replica
        }
        fleet.adapters = list { values in
            var adapter = FleetAdapter(id: values.adapter(), bytes: values.integer())
            adapter.rank = values.integer()
            adapter.isPinned = values.boolean()
            adapter.holders = values.list { $0.replica() }
            return adapter
        }
        fleet.requests = list { values in
            var request = FleetRequest(request: values.request(), replica: values.replica())
            request.pages = values.integer()
            request.isHandoverPossible = values.boolean()
            return request
        }
        fleet.handoverSecondsPerToken = maybe { $0.number() }
        return fleet
    }

    mutating func adapterSnapshot() -> AdapterSnapshot {
        var adapter = AdapterSnapshot(id: adapter(), bytes: integer(), lastUse: instant())
        adapter.loadedAt = instant()
        adapter.uses = integer()
        adapter.loadTime = duration()
        return adapter
    }

    mutating func proposal() -> SentProposal {
        switch next(0...2) {
        case 0: .none
        case 1:
            .plan(
                MigrationPlan(
                    requests: list {
                        RequestMove($0.requestID(), from: $0.replica(), to: $0.replica())
                    },
                    adapters: list {
                        AdapterMove($0.boolean() ? .load : .unload, $0.adapter(), on: $0.replica())
                    }))
        default: .solve
        }
    }

    mutating func outcome() -> MigrationOutcome {
        var outcome = MigrationOutcome()
        outcome.solvingTime = duration()
        outcome.isStale = boolean()
        outcome.handedOver = integer()
        outcome.recomputed = integer()
        outcome.waiting = integer()
        outcome.skipped = integer()
        return outcome
    }
}

extension String {
    fileprivate subscript(position: Int) -> Character {
        self[index(startIndex, offsetBy: position)]
    }
}

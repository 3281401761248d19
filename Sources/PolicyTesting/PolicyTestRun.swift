// SPDX-License-Identifier: Apache-2.0

internal import ManifestLoading
internal import PluginLoading
internal import PolicyKit
internal import Scheduling
internal import Simulation
internal import Workloads

/// Runs what a test gives on a simulated fleet.
struct PolicyTestRun {
    /// A test that has more is ended.
    private static let mostSteps = 100_000
    private static let mostEvents = 1_000_000

    private let given: PolicyTest.Given
    private let policies: TestedPolicies

    /// In order of arrival.
    private let requests: [PolicyTest.Request]

    init(_ checked: CheckedPolicyTest) {
        given = checked.test.spec.given
        policies = checked.policies
        requests = given.requests.enumerated()
            .sorted { ($0.element.at.value, $0.offset) < ($1.element.at.value, $1.offset) }
            .map(\.element)
    }

    /// - Throws: where a policy refuses its parameters.
    func record(_ registry: PolicyRegistry) throws(PluginError) -> PolicyTestRecord {
        let box = RecordBox()
        box.record.requests = requests.map(\.id.value)
        box.record.adapters = given.adapters.map(\.name.value)
        var simulation = Simulation(setup, policies: try fleetPolicies(registry))
        simulation.onEvent = { event, now in box.record.note(event, at: now) }
        box.record.summary = simulation.run(requests.map(planned)) { request in
            box.record.ended[request.index] = request
        }
        let isCut = box.record.summary.steps >= Self.mostSteps && given.clock.steps == nil
        box.record.isEndless = isCut || simulation.happened >= Self.mostEvents
        return box.record
    }

    // MARK: - Policies

    /// One set for each replica, with the seeds that a host gives them.
    private func fleetPolicies(
        _ registry: PolicyRegistry
    ) throws(PluginError) -> SimulationPolicies {
        var all = SimulationPolicies()
        for index in 0..<given.replicas.count.value {
            all.replicas.append(ReplicaPolicies())
            for selection in policies.selections {
                try add(selection, of: index, from: registry, to: &all)
            }
        }
        return all
    }

    private func add(
        _ selection: PolicySelection, of replica: Int, from registry: PolicyRegistry,
        to all: inout SimulationPolicies
    ) throws(PluginError) {
        let (name, type, values) = (selection.name, selection.type, selection.parameters)
        let seed = given.seed.value &+ UInt64(replica)
        switch selection.kind {
        case .batching:
            all.replicas[replica].batching = NamedPolicy(
                name: name, policy: try registry.makeBatching(type, values: values, seed: seed))
        case .fairness:
            all.replicas[replica].fairness = NamedPolicy(
                name: name, policy: try registry.makeFairness(type, values: values, seed: seed))
        case .residency:
            all.replicas[replica].residency = NamedPolicy(
                name: name, policy: try registry.makeResidency(type, values: values, seed: seed))
        case .dispatch where replica == 0:
            all.fleet.dispatch = NamedPolicy(
                name: name, policy: try registry.makeDispatch(type, values: values, seed: seed))
        case .migration where replica == 0:
            all.fleet.migration = NamedPolicy(
                name: name, policy: try registry.makeMigration(type, values: values, seed: seed))
        default: break
        }
    }

    // MARK: - Fleet

    private var setup: SimulationSetup {
        let replicas = given.replicas
        var replica = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0),
            batchRequests: min(replicas.maxBatch.value, replicas.maxStepTokens.value),
            batchTokens: replicas.maxStepTokens.value, pages: replicas.pages.value,
            adapterBytes: Int(clamping: replicas.adapterMemory.value.bytes))
        replica.stallBudget = replicas.stallBudget?.value
        replica.mergedCopies = replicas.mergedCopies.value
        var setup = SimulationSetup(replica: replica)
        setup.replicas = replicas.count.value
        setup.limits = FleetLimits(queue: replicas.queue.value, contextLength: 1 << 21)
        setup.adapters = given.adapters.map(simulated)
        setup.costs = SimulatedCosts(given.costs)
        setup.sharesAdapters = replicas.shared.value
        setup.seed = given.seed.value
        setup.start = start
        return setup
    }

    private func simulated(_ adapter: PolicyTest.Adapter) -> SimulatedAdapter {
        var simulated = SimulatedAdapter(
            bytes: Int(clamping: adapter.bytes.value.bytes), rank: adapter.rank.value)
        simulated.isPinned = adapter.pinned.value
        simulated.weight = adapter.weight.value
        return simulated
    }

    private var start: SimulationStart {
        var start = SimulationStart()
        start.clock = Instant(nanoseconds: 0).advanced(by: given.clock.at.value)
        if let until = given.clock.until {
            start.end = Instant(nanoseconds: 0).advanced(by: until.value)
        }
        start.mostSteps = given.clock.steps?.value ?? Self.mostSteps
        start.mostEvents = Self.mostEvents
        start.gathersArrivals = true
        start.details = requests.map(details)
        start.measured = given.costs.known.value ? knownSteps : []
        for (index, adapter) in given.adapters.enumerated() {
            let merged = positions(adapter.merged)
            for replica in Set(positions(adapter.resident) + merged).sorted() {
                start.residents.append(
                    .init(adapter: index, replica: replica, isMerged: merged.contains(replica)))
            }
        }
        return start
    }

    /// Below zero stands for all.
    private func positions(_ replicas: [Located<Int>]) -> [Int] {
        replicas.flatMap { replica in
            replica.value < 0 ? Array(0..<given.replicas.count.value) : [replica.value]
        }
    }

    /// Iterations that tell all costs apart.
    private var knownSteps: [StepWork] {
        var steps: [StepWork] = []
        for rows in [0, 1, 2, 4, 8, 16] {
            for prompt in [0, 16, 64, 256] where rows + prompt > 0 {
                for adapters in 0...2 {
                    var work = StepWork()
                    work.promptTokens = prompt
                    work.decodeTokens = rows
                    work.attendedTokens = rows * 64 * (1 + adapters) + prompt * (prompt + 1) / 2
                    work.distinctRanks = 16 * adapters
                    work.rankTokens = adapters > 0 ? (rows + prompt / adapters) * 16 : 0
                    steps.append(work)
                    guard adapters == 0 else { continue }
                    work.isMerged = true
                    steps.append(work)
                }
            }
        }
        return steps
    }

    // MARK: - Requests

    private func details(of request: PolicyTest.Request) -> SimulationStart.Details {
        var details = SimulationStart.Details()
        details.generatedTokens = request.generated.value
        if let index = given.tenants.firstIndex(where: {
            $0.name.value == request.tenant?.value
        }) {
            // 0 is who shows no key.
            details.tenant = TenantID(rawValue: UInt32(clamping: index + 1))
            details.tenantWeight = given.tenants[index].weight.value
        }
        details.firstTokenTarget =
            given.serviceClasses.first {
                $0.name.value == request.serviceClass?.value
            }?.timeToFirstToken.value
        return details
    }

    private func planned(_ request: PolicyTest.Request) -> PlannedRequest {
        let adapter = request.adapter.flatMap { name in
            given.adapters.firstIndex { $0.name.value == name.value }
        }
        return PlannedRequest(
            arrival: request.at.value, adapter: adapter ?? -1,
            promptTokens: request.prompt.value, outputTokens: request.output.value)
    }
}

/// Holds a record while a simulation fills it.
private final class RecordBox {
    var record = PolicyTestRecord()
}

extension SimulatedCosts {
    fileprivate init(_ costs: PolicyTest.Costs) {
        self.init()
        steps.perStep = costs.step.value.inSeconds
        steps.perPromptToken = costs.promptToken.value.inSeconds
        steps.perDecodeToken = costs.decodeToken.value.inSeconds
        steps.perAttendedToken = costs.attendedToken.value.inSeconds
        steps.perRankToken = costs.rankToken.value.inSeconds
        steps.perDistinctRank = costs.distinctRank.value.inSeconds
        mergeTime = costs.merge.value
        loadLatency = costs.load.value.inSeconds
        loadSecondsPerByte = costs.loadMebibyte.value.inSeconds / Double(1 << 20)
        handoverSecondsPerToken = costs.handoverToken?.value.inSeconds
        solveSeconds = costs.solve.value.inSeconds
    }
}

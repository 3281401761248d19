// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Simulation
import Workloads

extension SimulationSetup {
    /// Replicas like those of dLoRA: 16 requests in a batch, room for all adapters.
    static func a800(replicas: Int = 1, adapters: Int = 8, mergedCopies: Int = 1) -> Self {
        var replica = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0), batchRequests: 16, batchTokens: 4096, pages: 6000,
            adapterBytes: 20 << 30)
        replica.mergedCopies = mergedCopies
        var setup = SimulationSetup(replica: replica)
        setup.replicas = replicas
        setup.costs = .a800
        setup.adapters = (0..<adapters).map { _ in SimulatedAdapter(bytes: 100 << 20, rank: 16) }
        return setup
    }
}

extension Workload {
    static func fixture(
        rate: Double, adapters: Int = 8, count: Int = 400, _ popularity: Popularity = .uniform
    ) -> Workload {
        var workload = Workload()
        workload.rate = rate
        workload.adapters = adapters
        workload.popularity = popularity
        workload.lengths = .independent(prompt: .uniform(16...256), output: .uniform(8...64))
        workload.end = .count(count)
        return workload
    }
}

/// Everything that a simulation says.
struct Transcript: Equatable {
    var requests: [SimulatedRequest] = []
    var steps: [SimulatedStep] = []
    var summary = SimulationSummary()

    init(
        _ setup: SimulationSetup, _ workload: Workload, seed: UInt64 = 1,
        policies: SimulationPolicies = SimulationPolicies()
    ) {
        let log = Log()
        var simulation = Simulation(setup, policies: policies)
        simulation.onStep = { log.steps.append($0) }
        summary = simulation.run(workload.stream(seed: seed)) { log.requests.append($0) }
        requests = log.requests
        steps = log.steps
    }

    private final class Log {
        var requests: [SimulatedRequest] = []
        var steps: [SimulatedStep] = []
    }

    /// The mean seconds between two moments of the completed requests.
    func mean(_ seconds: (SimulatedRequest) -> Double?) -> Double {
        let all = requests.filter { $0.outcome == .completed }.compactMap(seconds)
        return all.reduce(0, +) / Double(max(1, all.count))
    }
}

/// Merges on adapter 0 and serves nobody else, as long as somebody wants it.
final class FirstAdapterMerged: BatchingPolicy {
    typealias Parameters = NoParameters

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "first-merged", version: "1.0.0", summary: "Merges on adapter 0.")
    }

    init(parameters: NoParameters, seed: UInt64) {}

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        let adapter = SimulationSetup.id(ofAdapter: 0)
        var tokens = context.limits.tokens
        var pages = context.limits.freePages
        for index in requests.indices where requests[index].adapter == adapter {
            let request = requests[index]
            let needed = request.newPages(
                computing: request.pendingTokens, pageTokens: context.limits.pageTokens)
            guard request.isAdapterResident, request.pendingTokens <= tokens, needed <= pages,
                plan.entries.count < context.limits.requests
            else { continue }
            tokens -= request.pendingTokens
            pages -= needed
            plan.entries.append(.init(index: index, tokens: request.pendingTokens))
        }
        plan.mode = .merged(adapter)
    }
}

/// Gives up every second request.
final class Quitter: FairnessPolicy {
    typealias Parameters = NoParameters

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "quitter", version: "1.0.0", summary: "Gives requests up.")
    }

    private var calls = 0

    init(parameters: NoParameters, seed: UInt64) {}

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        calls += 1
        guard calls % 4 == 0 else { return }
        for index in requests.indices
        where requests[index].phase == .waiting && requests[index].generatedTokens == 0 {
            arrangement.aborts.append(index)
            return
        }
    }
}

/// Sends each request to the next replica.
final class InTurn: DispatchPolicy {
    typealias Parameters = NoParameters

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "in-turn", version: "1.0.0", summary: "One after the other.")
    }

    private var last = -1

    init(parameters: NoParameters, seed: UInt64) {}

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID {
        last = (last + 1) % replicas.count
        return replicas[last].id
    }
}

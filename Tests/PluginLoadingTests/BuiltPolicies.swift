// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@testable import PluginLoading

/// Policies of the plugins that this package builds.
struct BuiltPolicies {
    let registry: PolicyRegistry
    private let state: TemporaryFolder

    init() throws {
        state = try TemporaryFolder()
        var registry = try PolicyRegistry(builtIn: [])
        try registry.load(from: [buildFolder], stateFolder: state.path)
        self.registry = registry
    }

    func batching(
        _ type: String, _ values: [String: ParameterValue] = [:]
    ) throws -> any BatchingPolicy {
        try registry.makeBatching(type, values: values, seed: 1)
    }

    func fairness(
        _ type: String, _ values: [String: ParameterValue] = [:]
    ) throws -> any FairnessPolicy {
        try registry.makeFairness(type, values: values, seed: 1)
    }

    func dispatch(
        _ type: String, _ values: [String: ParameterValue] = [:]
    ) throws -> any DispatchPolicy {
        try registry.makeDispatch(type, values: values, seed: 1)
    }

    func gating(
        _ type: String, _ values: [String: ParameterValue] = [:]
    ) throws -> any GatingPolicy {
        try registry.makeGating(type, values: values, seed: 1)
    }
}

/// Requests, the first of which came first, for policies to plan on.
struct RequestQueue {
    private(set) var requests: [RequestSnapshot] = []

    /// Appends `count` requests of an adapter, of rank 8 but for the base, that have their prompt
    /// computed and one token generated.
    mutating func append(
        _ count: Int, of adapter: UInt32, arrival: Instant = Instant(nanoseconds: 0)
    ) {
        for _ in 0..<count {
            var request = RequestSnapshot(
                id: RequestID(rawValue: UInt64(requests.count + 1)),
                adapter: AdapterID(rawValue: adapter), arrival: arrival, promptTokens: 4)
            request.adapterRank = adapter == 0 ? 0 : 8
            request.phase = .decoding
            request.computedTokens = 4
            request.generatedTokens = 1
            requests.append(request)
        }
    }

    init(_ requests: [RequestSnapshot]) { self.requests = requests }

    init(_ counts: [(adapter: UInt32, count: Int)] = []) {
        for (adapter, count) in counts { append(count, of: adapter) }
    }
}

extension BatchingPolicy {
    /// Asks for a plan, and a reason for it.
    func plan(
        _ requests: [RequestSnapshot], in context: BatchingContext
    ) throws(PolicyError) -> BatchPlan {
        var context = context
        context.wantsReason = true
        var plan = BatchPlan()
        try self.plan(requests.span, in: context, into: &plan)
        return plan
    }
}

extension FairnessPolicy {
    /// Asks for an arrangement, and a reason for it.
    func arrange(
        _ requests: [RequestSnapshot], in context: FairnessContext
    ) throws(PolicyError) -> FairnessArrangement {
        var context = context
        context.wantsReason = true
        var arrangement = FairnessArrangement(order: Array(requests.indices))
        try arrange(requests.span, in: context, into: &arrangement)
        return arrangement
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Scheduling
import Testing

@testable import PluginLoading
@testable import PolicyIsolation

/// Policies that are written in C against `burrow_policy.h`.
struct CPolicyTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func registry() throws -> PolicyRegistry {
        var registry = try PolicyRegistry(builtIn: BuiltInPolicies.all)
        try registry.load(from: [folder.path], stateFolder: folder.path + "/state")
        #expect(registry.refusals == [])
        return registry
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func theSampleConforms(seed: UInt64) throws {
        try CSources.makeSample(in: folder)
        let registry = try registry()
        let violations = PolicyConformance(seed: seed).dispatch { seed in
            try registry.makeDispatch("two-choices-dispatch", seed: seed)
        }
        #expect(violations == [])
    }

    @Test func theSampleSaysWhatItIs() throws {
        try CSources.makeSample(in: folder)
        let registry = try registry()
        let description = try registry.description(of: "two-choices-dispatch")
        #expect(description.kind == .dispatch)
        #expect(description.version == "1.0.0")
        #expect(description.parameters.map(\.name) == ["choices", "countLoads"])
        #expect(description.parameters.first?.type == .integer(1...64))
        #expect(description.parameters.map(\.defaultValue) == [.integer(2), .boolean(true)])
        for (values, fault) in [
            (["choices": .integer(0)], "from 1 to 64"), (["choises": .integer(1)], "choises"),
        ] as [([String: ParameterValue], String)] {
            #expect {
                try registry.make("two-choices-dispatch", values: values, seed: 0)
            } throws: { error in
                "\(error)".contains(fault)
            }
        }
    }

    /// With as many looks as it takes, the replica without a wait is found.
    @Test func theSampleTakesTheBestOfThoseThatItSees() throws {
        try CSources.makeSample(in: folder)
        let policy = try registry().makeDispatch(
            "two-choices-dispatch", values: ["choices": .integer(64)], seed: 1)
        var replicas = (0..<4).map { ReplicaSnapshot(id: ReplicaID(rawValue: $0)) }
        for index in replicas.indices where index != 2 {
            replicas[index].queueTime = .seconds(1)
        }
        #expect(try policy.choose(1, among: replicas) == 2)
        replicas[2].isAdapterResident = false
        replicas[2].adapterLoadTime = .seconds(2)
        #expect(try policy.choose(1, among: replicas) != 2)
    }

    @Test func everyKindConforms() throws {
        _ = try CSources.build(CSources.everyKind(), name: "EveryKind", in: folder)
        let registry = try registry()
        let kit = PolicyConformance(seed: 1, rounds: 300)
        // Serving the last comer first starves others, which is for a batching policy to prevent.
        #expect(kit.batching { try registry.makeBatching("c-batching", seed: $0) } == [])
        #expect(kit.fairness { try registry.makeFairness("c-fairness", seed: $0) } == [])
        #expect(kit.residency { try registry.makeResidency("c-residency", seed: $0) } == [])
        let dispatch = try registry.makeDispatch("c-dispatch", seed: 0)
        let replicas = (0..<3).map { ReplicaSnapshot(id: ReplicaID(rawValue: $0)) }
        #expect(try dispatch.choose(0, among: replicas) == 2)
        #expect {
            try dispatch.choose(0, prompt: 13, among: replicas)
        } throws: { error in
            (error as? PolicyError)?.description == "13 is unlucky"
        }
    }

    /// A whole loop of requests with C deciding batches and turns, inline and isolated.
    @Test func requestsAreServedByPoliciesInC() throws {
        _ = try CSources.build(CSources.everyKind(), name: "EveryKind", in: folder)
        let policies = try IsolatedPolicies(of: [folder.path])
        let batching = try policies.pair("c-batching", as: (any BatchingPolicy).self)
        let fairness = try policies.pair("c-fairness", as: (any FairnessPolicy).self)
        var steps: [[[RequestID]]] = []
        for (batching, fairness) in [
            (batching.inline, fairness.inline), (batching.isolated, fairness.isolated),
        ] {
            var loop = ServingLoop(
                fairness, batching: batching, plansAhead: true,
                limits: BatchLimits(requests: 2, tokens: 32, freePages: 64, pageTokens: 16))
            for tenant in 1...5 as ClosedRange<UInt32> { loop.ask(tenant, prompt: 20, output: 4) }
            while loop.step() {}
            #expect(loop.scheduler.snapshots.isEmpty)
            #expect(loop.scheduler.policyStatuses.allSatisfy { $0.strikes == 0 })
            steps.append(loop.steps)
        }
        #expect(steps[0] == steps[1])
        #expect(steps[0].first?.first == RequestID(rawValue: 5))
    }

    @Test func theSampleDecidesTheSameInAProcessOfItsOwn() throws {
        try CSources.makeSample(in: folder)
        let policies = try IsolatedPolicies(of: [folder.path])
        let pair = try policies.pair("two-choices-dispatch", as: (any DispatchPolicy).self)
        let replicas = (0..<9).map { ReplicaSnapshot(id: ReplicaID(rawValue: $0)) }
        for _ in 0..<50 {
            let expected = try pair.inline.choose(0, among: replicas)
            #expect(try pair.isolated.choose(0, among: replicas) == expected)
        }
        #expect(pair.inline.exportState() == pair.isolated.exportState())
    }

    static let refusals: [(source: String, code: PluginError.Code, says: String)] = [
        (
            CSources.everyKind(entryPoint: "burrow_policy_v2"), .wrongInterface,
            "built for version 2 of the C interface, this host has 1"
        ),
        (
            CSources.everyKind(abi: "7"), .wrongInterface,
            "says version 7 of the C interface, this host has 1"
        ),
        (
            CSources.everyKind(
                sizes: "{.size = sizeof(burrow_sizes), .request = sizeof(burrow_request) + 8}"),
            .wrongInterface,
            "compiled with a burrow_request of 120 bytes, this host has one of 112"
        ),
        (CSources.everyKind(kind: "9"), .invalidDeclaration, "kind 9"),
        (
            CSources.everyKind(kind: "BURROW_FAIRNESS"), .invalidDeclaration,
            "'c-batching' has no table burrow_fairness"
        ),
        (CSources.everyKind(type: "C Batching"), .invalidDeclaration, "kebab case"),
        (CSources.everyKind(count: "0"), .noPolicies, "no policies"),
        (CSources.everyKind(count: "1000"), .invalidDeclaration, "1000 policies"),
        (
            CSources.everyKind(extra: "if (host->size) return NULL;"), .missingEntryPoint,
            "refuses this host"
        ),
    ]

    @Test(arguments: refusals.indices)
    func aLibraryThatDoesNotFitIsRefused(index: Int) throws {
        let refusal = Self.refusals[index]
        let path = try CSources.build(refusal.source, name: "Refused\(index)", in: folder)
        #expect {
            try PluginLibrary.load(path, into: folder.path + "/state")
        } throws: { error in
            guard let error = error as? PluginError else { return false }
            #expect(error.message.contains(refusal.says), "\(error.message)")
            return error.code == refusal.code
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

private final class ScriptedFairness: FairnessPolicy {
    typealias Arrange = (Span<RequestSnapshot>, inout FairnessArrangement) -> Void

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "scripted-fairness", version: "1.0.0", summary: "A test.")
    }
    var script: Arrange = { _, _ in }

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}
    init(_ script: @escaping Arrange) { self.script = script }

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        script(requests, &arrangement)
    }
}

private final class ScriptedDispatch: DispatchPolicy {
    typealias Choose = (Span<ReplicaSnapshot>) -> ReplicaID

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "scripted-dispatch", version: "1.0.0", summary: "A test.")
    }
    var script: Choose = { $0[0].id }

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}
    init(_ script: @escaping Choose) { self.script = script }

    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID { script(replicas) }
}

private final class ScriptedResidency: ResidencyPolicy {
    typealias Evict = (Span<AdapterSnapshot>) -> AdapterID

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "scripted-residency", version: "1.0.0", summary: "A test.")
    }
    var script: Evict = { $0[0].id }

    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}
    init(_ script: @escaping Evict) { self.script = script }

    func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID { script(candidates) }
}

/// Faults of the kinds that answer with an order or an identifier.
struct ConformanceKitKindsTests {
    private let kit = PolicyConformance(seed: 9, rounds: 200)

    private func fairness(_ script: @escaping ScriptedFairness.Arrange) -> [Violation] {
        kit.fairness { _ in ScriptedFairness(script) }
    }

    @Test func policiesThatSayNothingConform() {
        #expect(kit.violations(of: ScriptedFairness.self) == [])
        #expect(kit.violations(of: ScriptedDispatch.self) == [])
        #expect(kit.violations(of: ScriptedResidency.self) == [])
    }

    @Test func anOrderThatForgetsSomebodyIsFoundOnTheSmallestInput() {
        let found = fairness { requests, arrangement in
            if requests.count > 3 { arrangement.order.removeLast() }
        }
        #expect(found.first?.detail.contains("not a permutation of the 4") == true, "\(found)")
        #expect(found.first?.input.split(separator: "\n").count == 5)
    }

    @Test func anAdapterThatNobodyAskedForIsFound() {
        let unknown = AdapterID(rawValue: 4_000_000)
        let urgent = fairness { $1.mustServe = [unknown] }
        let unmergeable = fairness { $1.notMergeable = [unknown] }
        for found in [urgent, unmergeable] {
            #expect(found.first?.detail.contains("4000000") == true, "\(found)")
        }
    }

    @Test func anAdapterNamedTwiceIsFound() {
        let found = fairness { requests, arrangement in
            guard !requests.isEmpty else { return }
            arrangement.mustServe = [requests[0].adapter, requests[0].adapter]
        }
        #expect(found.first?.detail.contains("twice") == true, "\(found)")
    }

    @Test func aReplicaThatIsNotThereIsFound() {
        let found = kit.dispatch { _ in
            ScriptedDispatch { ReplicaID(rawValue: $0[$0.count - 1].id.rawValue + 1) }
        }
        #expect(found.first?.detail.contains("not among the 1") == true, "\(found)")
    }

    @Test func aReplicaByChanceIsFound() {
        let found = kit.dispatch { _ in ScriptedDispatch { $0[Int.random(in: $0.indices)].id } }
        #expect(found.map(\.rule) == ["deterministic"])
    }

    @Test func anAdapterThatIsNoCandidateIsFound() {
        let found = kit.residency { _ in ScriptedResidency { _ in .base } }
        #expect(found.first?.detail.contains("evicts adapter 0") == true, "\(found)")
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginLoading

/// A residency policy whose declarations a test chooses by the type's parameters.
private class Declared: ResidencyPolicy {
    typealias Parameters = NoParameters
    class var kind: PolicyKind { .residency }
    class var descriptor: PolicyDescriptor { descriptor("declared-residency") }
    required init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}
    func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID { candidates[0].id }

    static func descriptor(
        _ type: String, version: String = "1.0.0", summary: String = "A test."
    ) -> PolicyDescriptor {
        PolicyDescriptor(type: type, version: version, summary: summary)
    }
}

private final class Capitals: Declared {
    override class var descriptor: PolicyDescriptor { descriptor("Declared") }
}
private final class TwoHyphens: Declared {
    override class var descriptor: PolicyDescriptor { descriptor("declared--residency") }
}
private final class Nameless: Declared {
    override class var descriptor: PolicyDescriptor { descriptor("") }
}
private final class Unversioned: Declared {
    override class var descriptor: PolicyDescriptor { descriptor("declared", version: "1.0") }
}
private final class Speechless: Declared {
    override class var descriptor: PolicyDescriptor { descriptor("declared", summary: "") }
}
private final class WrongKind: Declared {
    override class var kind: PolicyKind { .dispatch }
}
private final class TwoKinds: Declared, DispatchPolicy {
    override class var descriptor: PolicyDescriptor { descriptor("two-kinds") }
    func choose(
        for request: RequestSnapshot, among replicas: Span<ReplicaSnapshot>, at now: Instant
    ) throws(PolicyError) -> ReplicaID { replicas[0].id }
}

struct DeclarationTests {
    @Test func aFaultyDeclarationIsNamed() {
        let faults: [(any Policy.Type, String)] = [
            (Capitals.self, "kebab case"), (TwoHyphens.self, "kebab case"),
            (Nameless.self, "kebab case"), (Unversioned.self, "1.2.0"),
            (Speechless.self, "summary"), (WrongKind.self, "kind is dispatch"),
            (TwoKinds.self, "dispatch and residency"),
        ]
        for (policy, words) in faults {
            let fault = policy.declarationViolation?.description ?? "none"
            #expect(fault.contains(words), "\(policy): \(fault)")
            let error = #expect(throws: PluginError.self) {
                try PolicyRegistry(builtIn: [policy])
            }
            #expect(error?.code == .invalidDeclaration)
        }
    }

    @Test func aRightDeclarationHasNoFault() {
        #expect(Declared.declarationViolation == nil)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Scheduling
import Testing

@testable import PluginLoading

struct BuiltInConformanceTests {
    @Test(arguments: PolicyKind.allCases, [1, 2, 3] as [UInt64])
    func aBuiltInPolicyConforms(kind: PolicyKind, seed: UInt64) {
        let policies = BuiltInPolicies.all.filter { $0.kind == kind }
        #expect(policies.count == 1)
        for policy in policies {
            #expect(PolicyConformance(seed: seed).violations(of: policy) == [])
        }
    }

    @Test func theBuiltInPoliciesCanBeRegistered() throws {
        let registry = try PolicyRegistry(builtIn: BuiltInPolicies.all)
        #expect(
            registry.descriptions.map(\.kind).sorted { $0.rawValue < $1.rawValue }
                == PolicyKind.allCases.sorted { $0.rawValue < $1.rawValue })
        #expect(registry.descriptions.allSatisfy { $0.origin == .builtIn })
    }
}

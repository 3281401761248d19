// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension PolicyRegistry {
    /// Makes a policy with the given parameters and the defaults of the rest.
    ///
    /// - Throws: `unknownType`, or `refusedParameters` with what the policy says.
    package func make(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64
    ) throws(PluginError) -> any Policy {
        try entry(of: type).instance(values, seed: seed)
    }

    /// As ``make(_:values:seed:)``.
    ///
    /// - Throws: also `wrongKind`.
    package func makeBatching(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64
    ) throws(PluginError) -> any BatchingPolicy {
        try checked(
            try make(type, values: values, seed: seed) as? any BatchingPolicy, type, .batching)
    }

    /// As ``make(_:values:seed:)``.
    ///
    /// - Throws: also `wrongKind`.
    package func makeFairness(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64
    ) throws(PluginError) -> any FairnessPolicy {
        try checked(
            try make(type, values: values, seed: seed) as? any FairnessPolicy, type, .fairness)
    }

    /// As ``make(_:values:seed:)``.
    ///
    /// - Throws: also `wrongKind`.
    package func makeDispatch(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64
    ) throws(PluginError) -> any DispatchPolicy {
        try checked(
            try make(type, values: values, seed: seed) as? any DispatchPolicy, type, .dispatch)
    }

    /// As ``make(_:values:seed:)``.
    ///
    /// - Throws: also `wrongKind`.
    package func makeMigration(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64
    ) throws(PluginError) -> any MigrationPolicy {
        try checked(
            try make(type, values: values, seed: seed) as? any MigrationPolicy, type, .migration)
    }

    /// As ``make(_:values:seed:)``.
    ///
    /// - Throws: also `wrongKind`.
    package func makeResidency(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64
    ) throws(PluginError) -> any ResidencyPolicy {
        try checked(
            try make(type, values: values, seed: seed) as? any ResidencyPolicy, type, .residency)
    }

    /// As ``make(_:values:seed:)``.
    ///
    /// - Throws: also `wrongKind`.
    package func makeGating(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64
    ) throws(PluginError) -> any GatingPolicy {
        try checked(try make(type, values: values, seed: seed) as? any GatingPolicy, type, .gating)
    }

    /// The policy, if it is one of the wanted kind.
    ///
    /// - Throws: `wrongKind`.
    package func checked<Kind>(
        _ policy: Kind?, _ type: String, _ kind: PolicyKind
    ) throws(PluginError) -> Kind {
        if let policy { return policy }
        let others = descriptions.filter { $0.kind == kind }.map(\.type)
        throw PluginError(
            .wrongKind, type,
            "a policy of kind \(try description(of: type).kind.rawValue), wanted is one of kind "
                + "\(kind.rawValue): \(others.joined(separator: ", "))")
    }
}

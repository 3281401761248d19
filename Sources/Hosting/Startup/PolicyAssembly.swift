// SPDX-License-Identifier: Apache-2.0

package import ManifestLoading
internal import PluginLoading
package import PolicyKit
package import Scheduling

/// Makes the policies that a manifest's pipeline names, with their parameters.
nonisolated package struct PolicyAssembly {
    private let loaded: LoadedManifest

    package init(_ loaded: LoadedManifest) { self.loaded = loaded }

    /// The policies of these kinds for the replica with this position; each has random choices of
    /// its own.
    ///
    /// - Throws: `HostError` at the slot of the pipeline that is at fault.
    package func replicaPolicies(
        of replica: Int, _ kinds: Set<PolicyKind> = Set(PolicyKind.pipeline)
    ) throws(HostError) -> ReplicaPolicies {
        let seed = HostAssembly.policySeed(of: replica)
        var policies = ReplicaPolicies()
        if kinds.contains(.batching) {
            policies.batching = try named(.batching) { registry, type, values throws(PluginError) in
                try registry.makeBatching(type, values: values, seed: seed)
            }
        }
        if kinds.contains(.fairness) {
            policies.fairness = try named(.fairness) { registry, type, values throws(PluginError) in
                try registry.makeFairness(type, values: values, seed: seed)
            }
        }
        if kinds.contains(.residency) {
            policies.residency = try named(.residency) {
                registry, type, values throws(PluginError) in
                try registry.makeResidency(type, values: values, seed: seed)
            }
        }
        return policies
    }

    /// The policy that chooses a request's replica.
    ///
    /// - Throws: as ``replicaPolicies(of:)``.
    package func dispatch(seed: UInt64) throws(HostError) -> NamedPolicy<any DispatchPolicy> {
        try named(.dispatch) { registry, type, values throws(PluginError) in
            try registry.makeDispatch(type, values: values, seed: seed)
        }
    }

    /// The policy that says what moves between replicas.
    ///
    /// - Throws: as ``replicaPolicies(of:)``.
    package func migration(seed: UInt64) throws(HostError) -> NamedPolicy<any MigrationPolicy> {
        try named(.migration) { registry, type, values throws(PluginError) in
            try registry.makeMigration(type, values: values, seed: seed)
        }
    }

    /// A new instance of the policy that makes a mixture's gate.
    ///
    /// - Throws: `HostError` where the mixture names it.
    package func gating(_ selection: PolicySelection) throws(HostError) -> any GatingPolicy {
        do throws(PluginError) {
            return try loaded.registry.makeGating(
                selection.type, values: selection.parameters, seed: 0)
        } catch {
            throw HostError([
                loaded.document.diagnostic(
                    error.message, at: selection.position, path: "spec.mixtures")
            ])
        }
    }

    private func named<Instance>(
        _ kind: PolicyKind,
        _ make: (PolicyRegistry, String, [String: ParameterValue]) throws(PluginError) -> Instance
    ) throws(HostError) -> NamedPolicy<Instance> {
        let selection = loaded.manifest.selection(of: kind)
        do throws(PluginError) {
            let policy = try make(loaded.registry, selection.type, selection.parameters)
            return NamedPolicy(name: selection.name, policy: policy)
        } catch {
            throw HostError([
                loaded.document.diagnostic(
                    error.message, at: selection.position, path: "spec.pipeline.\(kind.rawValue)")
            ])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

package import ManifestLoading
internal import PluginLoading
internal import PolicyIsolation
package import PolicyKit
package import Scheduling

/// Makes the policies that a manifest's pipeline names, with their parameters.
nonisolated package struct PolicyAssembly {
    private let loaded: LoadedManifest
    private let isolation: IsolationSettings

    /// `isLive` where requests wait for the answers; else policies in processes of their own get
    /// all the time that they take.
    package init(_ loaded: LoadedManifest, isLive: Bool = true) {
        self.loaded = loaded
        isolation = .program(
            budget: isLive ? loaded.manifest.spec.plugins.budget.value : nil)
    }

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
            policies.batching = try named(.batching, seed: seed) { $0 as? any BatchingPolicy }
        }
        if kinds.contains(.fairness) {
            policies.fairness = try named(.fairness, seed: seed) { $0 as? any FairnessPolicy }
        }
        if kinds.contains(.residency) {
            policies.residency = try named(.residency, seed: seed) { $0 as? any ResidencyPolicy }
        }
        return policies
    }

    /// The policy that chooses a request's replica.
    ///
    /// - Throws: as ``replicaPolicies(of:)``.
    package func dispatch(seed: UInt64) throws(HostError) -> NamedPolicy<any DispatchPolicy> {
        try named(.dispatch, seed: seed) { $0 as? any DispatchPolicy }
    }

    /// The policy that says what moves between replicas.
    ///
    /// - Throws: as ``replicaPolicies(of:)``.
    package func migration(seed: UInt64) throws(HostError) -> NamedPolicy<any MigrationPolicy> {
        try named(.migration, seed: seed) { $0 as? any MigrationPolicy }
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
        _ kind: PolicyKind, seed: UInt64, _ cast: (any Policy) -> Instance?
    ) throws(HostError) -> NamedPolicy<Instance> {
        let selection = loaded.manifest.selection(of: kind)
        do throws(PluginError) {
            let policy: any Policy
            if let memory = selection.isolatedMemory {
                policy = try loaded.registry.makeIsolated(
                    selection.type, values: selection.parameters, seed: seed, memory: memory,
                    settings: isolation)
            } else {
                policy = try loaded.registry.make(
                    selection.type, values: selection.parameters, seed: seed)
            }
            return NamedPolicy(
                name: selection.name,
                policy: try loaded.registry.checked(cast(policy), selection.type, kind))
        } catch {
            throw HostError([
                loaded.document.diagnostic(
                    error.message, at: selection.position, path: "spec.pipeline.\(kind.rawValue)")
            ])
        }
    }
}

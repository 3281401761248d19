// SPDX-License-Identifier: Apache-2.0

package import PluginLoading
package import PolicyKit

extension PolicyRegistry {
    /// Makes a policy in a process of its own, which may take `memory` for itself.
    ///
    /// - Throws: `unknownType`; `notIsolable` for one that is built in and for gates;
    ///   `refusedParameters` with what the policy says, or why its process cannot be started.
    package func makeIsolated(
        _ type: String, values: [String: ParameterValue] = [:], seed: UInt64,
        memory: ByteCount = IsolationSettings.memory, settings: IsolationSettings
    ) throws(PluginError) -> any Policy {
        let description = try description(of: type)
        guard description.kind != .gating else {
            throw PluginError(.notIsolable, type, Self.gateReason)
        }
        guard let library = try loadedLibrary(of: type) else {
            throw PluginError(
                .notIsolable, type,
                "it is built in, so there is nothing to contain: leave out `isolation: process`")
        }
        var recipe = PolicyRecipe(
            library: library, type: type, memory: UInt64(clamping: memory.bytes))
        recipe.parameters = values
        recipe.seed = seed
        do throws(PolicyError) {
            let connection = try PolicyConnection(recipe, settings: settings)
            switch description.kind {
            case .batching: return RemoteBatchingPolicy(connection)
            case .fairness: return RemoteFairnessPolicy(connection)
            case .dispatch: return RemoteDispatchPolicy(connection)
            case .migration: return RemoteMigrationPolicy(connection)
            case .residency: return RemoteResidencyPolicy(connection)
            default: throw PolicyError("a policy of this kind has no process of its own")
            }
        } catch {
            throw PluginError(.refusedParameters, type, error.description)
        }
    }

    /// Why gates are not isolated.
    package static var gateReason: String {
        "a gate is asked by the compute thread between two layers of a step, where there is no time "
            + "to wait for another process: leave out `isolation: process`"
    }
}

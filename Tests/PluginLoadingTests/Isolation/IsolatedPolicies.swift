// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@testable import PluginLoading
@testable import PolicyIsolation

/// Policies in processes of their own, from the plugins in some folders.
struct IsolatedPolicies {
    let registry: PolicyRegistry
    var settings = IsolationSettings(program: "\(buildFolder)/burrow", budget: .milliseconds(1))
    private let state: TemporaryFolder

    /// `deadline` is generous where answers matter and not their time.
    init(of folders: [String] = [buildFolder], deadline: Duration = .seconds(60)) throws {
        state = try TemporaryFolder()
        var registry = try PolicyRegistry(builtIn: [])
        try registry.load(from: folders, stateFolder: state.path)
        self.registry = registry
        settings.deadline = deadline
        settings.startDeadline = .seconds(120)
    }

    func make<Kind>(
        _ type: String, as kind: Kind.Type, values: [String: ParameterValue] = [:],
        seed: UInt64 = 1, memory: ByteCount = IsolationSettings.memory
    ) throws -> Kind {
        let policy = try registry.makeIsolated(
            type, values: values, seed: seed, memory: memory, settings: settings)
        guard let policy = policy as? Kind else {
            throw PluginError(.wrongKind, type, "is no \(kind)")
        }
        return policy
    }

    /// The policy in this process, and the same in one of its own.
    func pair<Kind>(
        _ type: String, as kind: Kind.Type, values: [String: ParameterValue] = [:]
    ) throws -> (inline: Kind, isolated: Kind) {
        guard let inline = try registry.make(type, values: values, seed: 1) as? Kind else {
            throw PluginError(.wrongKind, type, "is no \(kind)")
        }
        return (inline, try make(type, as: kind, values: values))
    }
}

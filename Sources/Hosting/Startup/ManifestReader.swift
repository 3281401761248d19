// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import ManifestLoading
internal import ModelLoading
package import PluginLoading
internal import PolicyKit
internal import Scheduling

/// A manifest without faults, and the policies it may choose among.
package struct LoadedManifest {
    package var document: ManifestDocument
    package var manifest: Manifest
    package var registry: PolicyRegistry
    /// What is worth a look but stops nobody.
    package var warnings: [Diagnostic]
}

/// Reads manifests as `serve`, `validate` and the others do.
package enum ManifestReader {
    /// Reads the manifest at `path`, loads the plugins of its search folders, and checks it whole.
    ///
    /// - Throws: every fault with its position.
    package static func load(_ path: String) throws(HostError) -> LoadedManifest {
        let document = ManifestDocument(contentsOf: path)
        let (registry, faults) = registry(for: document)
        let validation = document.validate(
            policies: registry.descriptions.map(KnownPolicy.init(_:)),
            presets: ModelWeights.presets)
        let diagnostics = validation.diagnostics + faults
        guard let manifest = validation.manifest, faults.isEmpty else {
            throw HostError(diagnostics)
        }
        let unknown =
            document.unknownTenants(of: manifest)
            + ExpertNames(document: document).unknown(in: manifest)
        guard unknown.isEmpty else { throw HostError(diagnostics + unknown) }
        return LoadedManifest(
            document: document, manifest: manifest, registry: registry,
            warnings: diagnostics
                + registry.refusals.map { refusal in
                    var warning = Diagnostic(refusal.message, in: refusal.subject)
                    warning.severity = .warning
                    return warning
                })
    }

    /// The built-in policies and those of the plugins in `folders`.
    package static func registry(
        searching folders: [String]
    ) throws(PluginError) -> PolicyRegistry {
        var registry = try PolicyRegistry(builtIn: BuiltInPolicies.all)
        try registry.load(from: folders, stateFolder: stateFolder)
        return registry
    }

    private static func registry(
        for document: ManifestDocument
    ) -> (PolicyRegistry, [Diagnostic]) {
        do throws(PluginError) {
            let folders = document.pluginSearch
            return (try registry(searching: folders.isEmpty ? [programFolder] : folders), [])
        } catch {
            let fault = document.diagnostic(
                error.description, at: nil, path: "spec.plugins.search")
            return ((try? registry(searching: [])) ?? emptyRegistry, [fault])
        }
    }

    /// The built-in policies are checked by a test, so this cannot fail.
    private static var emptyRegistry: PolicyRegistry {
        do {
            return try PolicyRegistry(builtIn: [])
        } catch {
            preconditionFailure("no policy can be at fault: \(error)")
        }
    }

    /// Where this program lies, with the plugins that were built beside it.
    package static var programFolder: String {
        let executable = Bundle.main.executableURL?.resolvingSymlinksInPath()
        return executable?.deletingLastPathComponent().path
            ?? FileManager.default.currentDirectoryPath
    }

    /// Where private copies of plugin libraries lie: in the user's cache.
    static var stateFolder: String {
        let environment = ProcessInfo.processInfo.environment
        if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") {
            return "\(cache)/burrow/plugins"
        }
        if let home = environment["HOME"], home.hasPrefix("/") {
            return "\(home)/.cache/burrow/plugins"
        }
        return "\(NSTemporaryDirectory())/burrow-\(getuid())/plugins"
    }
}

extension KnownPolicy {
    package init(_ description: PolicyDescription) {
        self.init(
            kind: description.kind, type: description.type, summary: description.summary,
            version: description.version, parameters: description.parameters)
        isBuiltIn = description.origin == .builtIn
    }
}

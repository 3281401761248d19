// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import ManifestLoading
internal import ModelLoading
package import PluginLoading
internal import PolicyKit
internal import Scheduling

/// A manifest without faults, and the policies it may choose among.
///
/// Safety of the unchecked conformance: the registry and the libraries hold types, which are there
/// for good and change no more; what is made of them belongs to who makes it.
nonisolated package struct LoadedManifest: @unchecked Sendable {
    package var document: ManifestDocument
    package var manifest: Manifest
    package var registry: PolicyRegistry
    /// The document as bytes.
    package var text: ManifestText
    /// Mixtures that are left out of the manifest, and why.
    var outOfService: [ServedMixture] = []
    /// The plugin libraries that have been looked at.
    var libraries: LibraryCache
    /// What is worth a look but stops nobody.
    package var warnings: [Diagnostic]
}

/// Reads manifests as `serve`, `validate` and the others do.
nonisolated package enum ManifestReader {
    /// Reads the manifest at `path`, loads the plugins of its search folders, and checks it whole.
    ///
    /// - Throws: every fault with its position.
    package static func load(_ path: String) throws(HostError) -> LoadedManifest {
        var cache = LibraryCache()
        return try load(try ManifestText(contentsOf: path), cache: &cache)
    }

    /// Loads the plugins that a document searches for, as far as `cache` does not know them, and
    /// checks it whole.
    ///
    /// - Throws: every fault with its position.
    package static func load(
        _ text: ManifestText, cache: inout LibraryCache
    ) throws(HostError) -> LoadedManifest {
        let document = text.document
        let (registry, faults) = registry(for: document, cache: &cache)
        let validation = document.validate(
            policies: registry.descriptions.map(KnownPolicy.init(_:)),
            presets: ModelWeights.presets)
        let refusals = registry.refusals.map { refusal in
            var warning = Diagnostic(refusal.message, in: refusal.subject)
            warning.severity = .warning
            return warning
        }
        // A type that is missing may be in a library that was refused.
        let diagnostics = validation.diagnostics + faults + refusals
        guard let manifest = validation.manifest, faults.isEmpty else {
            throw HostError(diagnostics)
        }
        let unknown =
            document.unknownTenants(of: manifest)
            + ExpertNames(document: document).unknown(in: manifest)
        guard unknown.isEmpty else { throw HostError(diagnostics + unknown) }
        return LoadedManifest(
            document: document, manifest: manifest, registry: registry, text: text,
            libraries: cache,
            warnings: diagnostics)
    }

    /// The built-in policies and those of the plugins in `folders`.
    package static func registry(
        searching folders: [String]
    ) throws(PluginError) -> PolicyRegistry {
        var cache = LibraryCache()
        return try registry(searching: folders, cache: &cache)
    }

    private static func registry(
        searching folders: [String], cache: inout LibraryCache
    ) throws(PluginError) -> PolicyRegistry {
        var registry = try PolicyRegistry(builtIn: BuiltInPolicies.all)
        try registry.load(from: folders, stateFolder: stateFolder, cache: &cache)
        return registry
    }

    /// The folders that a document searches for plugins.
    package static func searchFolders(of document: ManifestDocument) -> [String] {
        document.pluginSearch.isEmpty ? [programFolder] : document.pluginSearch
    }

    private static func registry(
        for document: ManifestDocument, cache: inout LibraryCache
    ) -> (PolicyRegistry, [Diagnostic]) {
        do throws(PluginError) {
            return (try registry(searching: searchFolders(of: document), cache: &cache), [])
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
    package static var stateFolder: String {
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

nonisolated extension KnownPolicy {
    package init(_ description: PolicyDescription) {
        self.init(
            kind: description.kind, type: description.type, summary: description.summary,
            version: description.version, parameters: description.parameters)
        isBuiltIn = description.origin == .builtIn
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ManifestLoading
internal import PluginLoading
internal import PolicyKit
internal import PolicyTesting

/// What is tried of a manifest before the host moves to it: its plugins are loaded, and every policy
/// and gate that it names is made, and its policy tests are run.
nonisolated package struct PreflightTrial {
    private let say: (String) -> Void

    /// - Parameter say: is told what comes next, before it is done.
    package init(_ say: @escaping (String) -> Void) { self.say = say }

    /// - Throws: every fault of the manifest that shows without the model.
    package func run(_ text: ManifestText) throws(HostError) {
        say("reading \(text.file)")
        let document = text.document
        var cache = LibraryCache()
        // One by one, so that the last line names the one that kills the process.
        for library in (try? cache.unknown(in: ManifestReader.searchFolders(of: document))) ?? [] {
            say("loading \(library)")
            cache.look(at: library, stateFolder: ManifestReader.stateFolder)
        }
        say("checking \(text.file)")
        let loaded = try ManifestReader.load(text, cache: &cache)
        let assembly = PolicyAssembly(loaded)
        for kind in PolicyKind.pipeline {
            let selection = loaded.manifest.selection(of: kind)
            say("making \(kind.rawValue) policy '\(selection.name)' of type \(selection.type)")
            switch kind {
            case .dispatch: _ = try assembly.dispatch(seed: 0)
            case .migration: _ = try assembly.migration(seed: 0)
            default: _ = try assembly.replicaPolicies(of: 0, [kind])
            }
        }
        for mixture in loaded.manifest.spec.mixtures {
            let selection = loaded.manifest.gating(of: mixture)
            say("making gating policy '\(selection.name)' of type \(selection.type)")
            _ = try assembly.gating(selection)
        }
        try test(loaded)
        say("ending")
    }

    /// Runs the policy tests that the manifest names.
    ///
    /// - Throws: the faults of their files, and the expectations that do not hold.
    private func test(_ loaded: LoadedManifest) throws(HostError) {
        guard !loaded.manifest.spec.tests.isEmpty else { return }
        say("running the policy tests of \(loaded.document.file)")
        let report = loaded.policyTestReport()
        let faults = report.diagnostics.filter { $0.severity == .error }
        guard faults.isEmpty else { throw HostError(faults) }
        let failures = report.verdicts.flatMap(\.failures)
        guard failures.isEmpty else { throw HostError(failures) }
    }
}

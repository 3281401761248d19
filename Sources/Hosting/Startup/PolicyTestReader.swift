// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import ManifestLoading
internal import ModelLoading
internal import PluginLoading
package import PolicyTesting

nonisolated extension LoadedManifest {
    /// Runs the tests that the manifest names, with its own policies where a test names none.
    ///
    /// It needs neither the loop nor a clock, and no model: it may be asked before a host takes on
    /// the manifest.
    package func policyTestReport() -> PolicyTestReport {
        let (files, faults) = PolicyTests.files(of: manifest, in: document)
        guard faults.isEmpty else {
            var report = PolicyTestReport()
            report.diagnostics = faults
            return report
        }
        return PolicyTests.run(
            files, registry: registry, presets: ModelWeights.presets, host: tested)
    }

    /// Faults of the tests that the manifest names, which are not run.
    package func policyTestFaults() -> [Diagnostic] {
        let (files, faults) = PolicyTests.files(of: manifest, in: document)
        let checked = PolicyTests.check(
            files, registry: registry, presets: ModelWeights.presets, host: tested)
        return faults + checked.diagnostics
    }

    private var tested: TestedManifest {
        let current = FileManager.default.currentDirectoryPath
        let file = document.file.hasPrefix("/") ? document.file : "\(current)/\(document.file)"
        return TestedManifest(path: file, policies: TestedPolicies(manifest))
    }
}

/// Reads files of policy tests as `test` and `validate` do.
nonisolated package enum PolicyTestReader {
    /// The file at `path`, unless it says that it is something else.
    package static func file(_ path: String) -> PolicyTestFile? {
        let file = PolicyTestFile(contentsOf: path)
        let isNamedSo = PolicyTests.endings.contains { path.hasSuffix($0) }
        return file.isPolicyTest || isNamedSo ? file : nil
    }

    /// Runs the tests of one file with the plugins of its search folders.
    package static func run(_ file: PolicyTestFile) -> PolicyTestReport {
        switch registry(for: file) {
        case .success(let registry):
            return PolicyTests.run([file], registry: registry, presets: ModelWeights.presets)
        case .failure(let error):
            var report = PolicyTestReport()
            report.diagnostics = [file.diagnostic(error.description, at: nil)]
            return report
        }
    }

    /// Faults of one file, whose tests are not run.
    package static func faults(_ file: PolicyTestFile) -> [Diagnostic] {
        switch registry(for: file) {
        case .success(let registry):
            return PolicyTests.check([file], registry: registry, presets: ModelWeights.presets)
                .diagnostics
        case .failure(let error): return [file.diagnostic(error.description, at: nil)]
        }
    }

    private static func registry(
        for file: PolicyTestFile
    ) -> Result<PolicyRegistry, PluginError> {
        let folders = file.pluginSearch
        return Result { () throws(PluginError) in
            try ManifestReader.registry(
                searching: folders.isEmpty ? [ManifestReader.programFolder] : folders)
        }
    }
}

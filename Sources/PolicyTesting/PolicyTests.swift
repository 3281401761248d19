// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import ManifestLoading
package import PluginLoading
internal import PolicyKit

/// Finds, checks and runs tests of policies.
///
/// A test drives the scheduler and the policies that serve, on a virtual clock: the same file and the
/// same libraries give the same verdicts. Nothing here reads a clock or needs a loop, so a host may
/// run its tests before it takes on a manifest.
package enum PolicyTests {
    /// What files of a folder of tests end with.
    package static let endings = [".test.yaml", ".test.yml"]

    /// Runs the tests of `files` with policies of `registry`. `host` is the manifest that names them,
    /// whose policies are tested where a test names none.
    ///
    /// Where one file has a fault no test is run.
    package static func run(
        _ files: [PolicyTestFile], registry: PolicyRegistry, presets: [String]? = nil,
        host: TestedManifest? = nil
    ) -> PolicyTestReport {
        var report = PolicyTestReport()
        let checked = check(files, registry: registry, presets: presets, host: host)
        report.diagnostics = checked.diagnostics
        guard !report.isFaulty else { return report }
        for test in checked.tests {
            do throws(PluginError) {
                let record = try PolicyTestRun(test).record(registry)
                report.verdicts.append(PolicyTestVerdict(test, record))
            } catch {
                report.diagnostics.append(
                    test.file.diagnostic(
                        "the policies cannot be made: \(error.description)",
                        at: test.test.metadata.name.position))
            }
        }
        return report
    }

    /// Checks the tests of `files` without running them.
    package static func check(
        _ files: [PolicyTestFile], registry: PolicyRegistry, presets: [String]? = nil,
        host: TestedManifest? = nil
    ) -> (tests: [CheckedPolicyTest], diagnostics: [Diagnostic]) {
        let known = registry.descriptions.map(KnownPolicy.init(tested:))
        var tests: [CheckedPolicyTest] = []
        var diagnostics: [Diagnostic] = []
        for file in files {
            let result = file.validate(policies: known, presets: presets, host: host)
            tests += result.tests
            diagnostics += result.diagnostics
        }
        return (tests, diagnostics)
    }

    /// The files that a path names: itself, or those of the folder there by name.
    ///
    /// - Returns: the paths, or why there are none.
    package static func files(at path: String) -> Result<[String], PolicyTestSearchError> {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            return .failure(PolicyTestSearchError("there is no file or folder \(path)"))
        }
        guard isFolder.boolValue else { return .success([path]) }
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: path)
        } catch {
            return .failure(PolicyTestSearchError("the folder \(path) cannot be read"))
        }
        let files = names.filter { name in endings.contains { name.hasSuffix($0) } }.sorted()
        guard !files.isEmpty else {
            return .failure(
                PolicyTestSearchError("the folder \(path) has no file that ends in .test.yaml"))
        }
        return .success(files.map { "\(path)/\($0)" })
    }

    /// The files of tests that a manifest names, or what is wrong with their names.
    package static func files(
        of manifest: Manifest, in document: ManifestDocument
    ) -> (files: [PolicyTestFile], diagnostics: [Diagnostic]) {
        var files: [PolicyTestFile] = []
        var diagnostics: [Diagnostic] = []
        for (index, named) in manifest.spec.tests.enumerated() {
            switch Self.files(at: named.value) {
            case .success(let paths): files += paths.map { PolicyTestFile(contentsOf: $0) }
            case .failure(let error):
                diagnostics.append(
                    document.diagnostic(
                        error.message, at: named.position, path: "spec.tests[\(index)]"))
            }
        }
        return (files, diagnostics)
    }
}

/// Why a path names no tests.
package struct PolicyTestSearchError: Error, Sendable, Equatable {
    package let message: String

    init(_ message: String) { self.message = message }
}

extension KnownPolicy {
    fileprivate init(tested description: PolicyDescription) {
        self.init(
            kind: description.kind, type: description.type, summary: description.summary,
            version: description.version, parameters: description.parameters)
    }
}

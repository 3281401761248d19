// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit

/// The policies that a test asks, one of each kind.
package struct TestedPolicies: Sendable, Equatable {
    package var selections: [PolicySelection]

    package init(_ manifest: Manifest) {
        selections = PolicyKind.pipeline.map { manifest.selection(of: $0) }
    }
}

/// A manifest whose policies tests may ask, as it stands where they are run.
package struct TestedManifest: Sendable {
    /// Its absolute path, by which tests may name it.
    package var path: String
    package var policies: TestedPolicies

    package init(path: String, policies: TestedPolicies) {
        self.path = path
        self.policies = policies
    }
}

/// A test without faults, with the policies that it asks.
package struct CheckedPolicyTest: Sendable {
    package var test: PolicyTest
    package var policies: TestedPolicies
    package var file: PolicyTestFile
}

/// A file of policy tests, one to a document, before it is known which policies exist.
package struct PolicyTestFile: Sendable {
    /// The name that diagnostics show.
    package let file: String

    /// The absolute folders in which plugins are looked for, by the tests and the manifests that they
    /// name.
    package let pluginSearch: [String]

    private let source: SourceText
    private let directory: String
    private let roots: [Node]
    private let faults: [SyntaxFault]

    /// Reads the file at `path`; that it cannot be read is a diagnostic too.
    package init(
        contentsOf path: String,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        let current = FileManager.default.currentDirectoryPath
        let absolute = path.hasPrefix("/") ? path : "\(current)/\(path)"
        let directory = absolute.split(separator: "/").dropLast().joined(separator: "/")
        do {
            let bytes = try FileContents.read(path, limit: SourceText.maximumBytes)
            self.init(bytes, file: path, directory: "/\(directory)", environment: environment)
        } catch {
            self.init(
                [], file: path, directory: "/\(directory)",
                fault: SyntaxFault("the file cannot be read: \(error.reason)", at: nil))
        }
    }

    /// Takes YAML from memory; relative paths start from `directory`, an absolute path.
    package init(
        _ contents: [UInt8], file: String, directory: String, environment: [String: String] = [:]
    ) {
        self.init(
            contents, file: file, directory: directory, environment: environment, fault: nil)
    }

    private init(
        _ contents: [UInt8], file: String, directory: String, environment: [String: String] = [:],
        fault: SyntaxFault?
    ) {
        var fault = fault
        let isUnreadable = fault != nil
        let source = SourceText(contents, file: file, fault: &fault)
        var builder = TreeBuilder(environment: environment, documents: Self.mostTests)
        if !isUnreadable, fault == nil {
            do {
                var reader = try EventReader(source.bytes)
                try builder.build(from: &reader)
                if builder.roots.isEmpty { fault = SyntaxFault("the file is empty", at: nil) }
            } catch {
                fault = error.explained(in: source)
            }
        }
        self.file = file
        self.source = source
        self.directory = directory
        roots = builder.roots
        faults = builder.faults + (fault.map { [$0] } ?? [])
        pluginSearch = Self.search(of: builder.roots, file: file, directory: directory)
    }

    /// A file with more documents is refused.
    package static let mostTests = 256

    /// Whether the file is one of policy tests by what it says itself, however faulty it is.
    package var isPolicyTest: Bool {
        roots.contains { root in
            guard let kind = Place(root: root)["kind"],
                case .scalar(let scalar) = kind.node.content
            else { return false }
            return scalar.text == "PolicyTest"
        }
    }

    private static func search(
        of roots: [Node], file: String, directory: String
    ) -> [String] {
        var folders: [String] = []
        for root in roots {
            var reading = Reading(file: file, directory: directory, policies: [])
            let test = Section.policyTest.read(Place(root: root), &reading)
            guard let policies = test?.spec.policies else { continue }
            folders += policies.search.map(\.value)
            if let manifest = policies.manifest {
                folders += ManifestDocument(contentsOf: manifest.value).pluginSearch
            }
        }
        return folders.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    // MARK: - Checking

    /// Checks everything, given the policies that exist. `host` is the manifest that names the file,
    /// whose policies are tested where a test names none.
    ///
    /// - Returns: the tests without an error, and the diagnostics in the order of the file.
    package func validate(
        policies: [KnownPolicy], presets: [String]? = nil, host: TestedManifest? = nil
    ) -> (tests: [CheckedPolicyTest], diagnostics: [Diagnostic]) {
        var tests: [CheckedPolicyTest] = []
        var all: [Diagnostic] = []
        var first = Reading(file: file, directory: directory, policies: policies)
        for fault in faults { first.report(fault.message, at: fault.position, path: fault.path) }
        all += first.diagnostics
        var names: [String: Int] = [:]
        for root in roots {
            var reading = Reading(file: file, directory: directory, policies: policies)
            guard let test = Section.policyTest.read(Place(root: root), &reading) else {
                all += reading.diagnostics
                continue
            }
            PolicyTestRules(test: test).check(&reading)
            checkName(of: test, &names, &reading)
            let resolved = resolve(test, policies, presets, host, &reading)
            if let resolved, !reading.diagnostics.contains(where: { $0.severity == .error }) {
                tests.append(CheckedPolicyTest(test: test, policies: resolved, file: self))
            }
            all += reading.diagnostics
        }
        return (tests, source.finished(all, limit: ManifestDocument.maximumDiagnostics))
    }

    private func checkName(
        of test: PolicyTest, _ names: inout [String: Int], _ reading: inout Reading
    ) {
        let name = test.metadata.name
        guard let position = name.position else { return }
        if let line = names[name.value] {
            reading.report(
                "'\(name.value)' is the name of another test, at line \(line)", at: position,
                path: "metadata.name")
        }
        names[name.value] = position.line
    }

    /// The policies that a test asks.
    private func resolve(
        _ test: PolicyTest, _ policies: [KnownPolicy], _ presets: [String]?,
        _ host: TestedManifest?, _ reading: inout Reading
    ) -> TestedPolicies? {
        let named = test.spec.policies
        if let path = named.manifest {
            if let host, Self.isSame(host.path, path.value) { return host.policies }
            let validation = ManifestDocument(contentsOf: path.value)
                .validate(policies: policies, presets: presets)
            if let manifest = validation.manifest { return TestedPolicies(manifest) }
            let reason = validation.diagnostics.first { $0.severity == .error }?.headline ?? ""
            reading.report(
                "the manifest cannot be used: \(reason)", at: path.position,
                path: "spec.policies.manifest")
            return nil
        }
        if named.pipeline == nil, let host { return host.policies }
        guard let pipeline = named.pipeline else {
            guard named.instances.isEmpty else { return nil }
            reading.report(
                "no policies are named, and no manifest names the test: write spec.policies",
                at: test.metadata.name.position, path: "spec")
            return nil
        }
        var manifest = Manifest()
        manifest.spec.plugins.instances = named.instances
        manifest.spec.pipeline = pipeline
        return TestedPolicies(manifest)
    }

    private static func isSame(_ first: String, _ second: String) -> Bool {
        func whole(_ path: String) -> String {
            URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
        }
        return whole(first) == whole(second)
    }

    /// A diagnostic of this file, with the line that it is about.
    package func diagnostic(_ message: String, at position: SourcePosition?) -> Diagnostic {
        var diagnostic = Diagnostic(message, in: file, at: position)
        diagnostic.sourceLine = position.flatMap { source.line($0.line) }
        return diagnostic
    }
}

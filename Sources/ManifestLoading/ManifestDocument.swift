// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit

/// A manifest as it was read, before it is known which policies exist.
///
/// Loading has two steps, since the document says where the plugins are: ``pluginSearch`` is there
/// after the first, even where other parts are faulty; ``validate(policies:presets:)`` then reports
/// the faults of both steps together.
package struct ManifestDocument: Sendable {
    /// The name that diagnostics show.
    package let file: String
    /// The absolute folders in which plugins are looked for.
    package let pluginSearch: [String]

    private let source: SourceText
    private let directory: String
    private let root: Node?
    private let faults: [SyntaxFault]

    /// How many diagnostics are reported at most.
    package static let maximumDiagnostics = 100

    /// Reads the file at `path`; that it cannot be read is a diagnostic too.
    package init(
        contentsOf path: String,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        let manager = FileManager.default
        let absolute = path.hasPrefix("/") ? path : "\(manager.currentDirectoryPath)/\(path)"
        let directory = absolute.split(separator: "/").dropLast().joined(separator: "/")
        do {
            let bytes = try FileContents.read(path, limit: SourceText.maximumBytes)
            self.init(bytes, file: path, directory: "/\(directory)", environment: environment)
        } catch {
            self.init(unreadable: path, because: error.reason)
        }
    }

    /// The bytes of the manifest at `path`, to be checked later.
    ///
    /// - Throws: `unreadable`.
    package static func bytes(of path: String) throws(ManifestError) -> [UInt8] {
        do {
            return try FileContents.read(path, limit: SourceText.maximumBytes)
        } catch {
            throw ManifestError(
                code: .unreadable,
                diagnostics: [Diagnostic("the file cannot be read: \(error.reason)", in: path)])
        }
    }

    /// Takes YAML or JSON from memory; `file` is the name that diagnostics show, and relative paths
    /// start from `directory`, an absolute path.
    package init(
        _ contents: [UInt8], file: String, directory: String, environment: [String: String] = [:]
    ) {
        var fault: SyntaxFault?
        let source = SourceText(contents, file: file, fault: &fault)
        var builder = TreeBuilder(environment: environment)
        if fault == nil {
            do {
                var reader = try EventReader(source.bytes)
                try builder.build(from: &reader)
                if builder.root == nil { fault = SyntaxFault("the file is empty", at: nil) }
            } catch {
                fault = error.explained(in: source)
            }
        }
        self.file = file
        self.source = source
        self.directory = directory
        root = builder.root
        faults = builder.faults + (fault.map { [$0] } ?? [])
        var reading = Reading(file: file, directory: directory, policies: [])
        let draft = root.flatMap { Section.manifest.read(Place(root: $0), &reading) }
        pluginSearch = draft?.spec.plugins.search.map(\.value) ?? []
    }

    private init(unreadable file: String, because reason: String) {
        self.file = file
        var fault: SyntaxFault?
        source = SourceText([], file: file, fault: &fault)
        directory = "/"
        root = nil
        faults = [SyntaxFault("the file cannot be read: \(reason)", at: nil)]
        pluginSearch = []
    }

    /// Checks everything, given the policies that exist: the built-in ones and those of the plugins
    /// that were found. `presets` are the shapes of synthetic models; `nil` leaves them unchecked.
    package func validate(
        policies: [KnownPolicy], presets: [String]? = nil
    ) -> ManifestValidation {
        var reading = Reading(file: file, directory: directory, policies: policies)
        for fault in faults {
            reading.report(fault.message, at: fault.position, path: fault.path)
        }
        let manifest = root.flatMap { Section.manifest.read(Place(root: $0), &reading) }
        if let manifest { ManifestRules(manifest: manifest, presets: presets).check(&reading) }
        let hasErrors = reading.diagnostics.contains { $0.severity == .error }
        return ManifestValidation(
            manifest: hasErrors ? nil : manifest,
            diagnostics: source.finished(reading.diagnostics, limit: Self.maximumDiagnostics))
    }

    /// A diagnostic of this document, for what only the host can find out.
    package func diagnostic(
        _ message: String, at position: SourcePosition?, path: String, suggestion: String? = nil
    ) -> Diagnostic {
        var diagnostic = Diagnostic(
            message, in: file, at: position, path: path, suggestion: suggestion)
        diagnostic.sourceLine = position.flatMap { source.line($0.line) }
        return diagnostic
    }
}

/// What became of a manifest.
package struct ManifestValidation: Sendable {
    /// `nil` where there is an error.
    package let manifest: Manifest?
    /// In the order of the document.
    package let diagnostics: [Diagnostic]
}

extension Place {
    init(root: Node) {
        self.init(node: root, path: "", key: nil)
    }
}

extension SyntaxFault {
    /// The fault in other words, where libyaml's do not say what to change.
    func explained(in source: SourceText) -> SyntaxFault {
        guard let position, let scalar = source.scalar(at: position) else { return self }
        if scalar == "\t" {
            return SyntaxFault("a tab cannot indent; use spaces", at: position, path: path)
        }
        guard message.hasPrefix("found character that cannot start any token") else { return self }
        return SyntaxFault(
            "a text that begins with '\(scalar)' needs quotes", at: position, path: path)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import ManifestLoading
internal import ModelLoading
internal import PluginLoading
internal import PolicyKit
internal import PolicyTesting

/// A policy as a generation has it: what it is called, what it is made with, and which code it is.
nonisolated struct PolicyIdentity: Sendable, Equatable {
    var name: String
    var type: String
    var version: String
    var parameters: [String: ParameterValue]

    /// What its process may take, where it runs in one of its own.
    var isolatedMemory: ByteCount?

    /// The build of its library; `nil` for a built-in one.
    var build: String?

    /// The files that its parameters name, as they were.
    var files: [String: FileStamp] = [:]

    init(_ selection: PolicySelection, in registry: PolicyRegistry) {
        name = selection.name
        type = selection.type
        parameters = selection.parameters
        isolatedMemory = selection.isolatedMemory
        build = registry.build(of: selection.type)
        version = (try? registry.description(of: selection.type).version) ?? ""
        for case .string(let path) in selection.parameters.values where path.hasPrefix("/") {
            for file in Self.files(at: path) { files[file] = FileStamp(of: file) }
        }
    }

    /// The path, and what lies in it where it is a folder.
    private static func files(at path: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return [path] + names.sorted().map { "\(path)/\($0)" }
    }

    /// All of it as a text, for digests.
    fileprivate var text: String {
        let values = parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let stamps = files.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let place = isolatedMemory.map { "process of \($0.bytes)" } ?? "inline"
        return "\(name) \(type) \(place) \(build ?? "built in") \(values) \(stamps)"
    }
}

/// All that a generation consists of, as values that can be compared.
nonisolated struct GenerationFacts: Sendable {
    let text: ManifestText
    let manifest: Manifest

    /// Of each kind of the pipeline.
    let policies: [PolicyKind: PolicyIdentity]

    /// Of each mixture, by its name.
    let gates: [String: PolicyIdentity]
    let adapters: [DeclaredAdapter]

    /// The files of keys, certificates and policy tests, as they were.
    let files: [String: FileStamp]

    /// The same for the same bytes of the manifest and all that it names.
    let digest: String

    /// - Throws: `HostError` where what the manifest names cannot be listed.
    init(_ loaded: LoadedManifest, from text: ManifestText) throws(HostError) {
        let manifest = loaded.manifest
        self.text = text
        self.manifest = manifest
        policies = Self.policies(of: loaded)
        gates = Self.gates(of: loaded)
        let opening = ModelOpening(loaded: loaded, threads: 1, created: 0)
        adapters = try opening.declaredAdapters(named: manifest.spec.model.servedName)
        var files: [String: FileStamp] = [:]
        for file in Self.namedFiles(of: manifest) { files[file] = FileStamp(of: file) }
        self.files = files
        digest = try Self.digest(of: text, policies, gates, adapters, files)
    }

    /// The same with the policies of a manifest that names only built-in ones.
    func reset(_ loaded: LoadedManifest) -> GenerationFacts {
        GenerationFacts(of: self, reset: loaded)
    }

    private init(of facts: GenerationFacts, reset loaded: LoadedManifest) {
        text = facts.text
        manifest = loaded.manifest
        policies = Self.policies(of: loaded)
        gates = Self.gates(of: loaded)
        adapters = facts.adapters
        files = facts.files
        digest = "\(facts.digest)-reset"
    }

    private static func namedFiles(of manifest: Manifest) -> [String] {
        let server = manifest.spec.server
        var files: [String] = manifest.spec.tests.flatMap { test in
            (try? PolicyTests.files(at: test.value).get()) ?? []
        }
        if let keys = server.apiKeys { files.append(keys.file.value) }
        if let tls = server.tls { files += [tls.certificate.value, tls.key.value] }
        return files
    }

    private static func policies(of loaded: LoadedManifest) -> [PolicyKind: PolicyIdentity] {
        Dictionary(
            uniqueKeysWithValues: PolicyKind.pipeline.map { kind in
                (kind, PolicyIdentity(loaded.manifest.selection(of: kind), in: loaded.registry))
            })
    }

    private static func gates(of loaded: LoadedManifest) -> [String: PolicyIdentity] {
        Dictionary(
            loaded.manifest.spec.mixtures.map { mixture in
                let selection = loaded.manifest.gating(of: mixture)
                return (mixture.name.value, PolicyIdentity(selection, in: loaded.registry))
            }, uniquingKeysWith: { first, _ in first })
    }

    private static func digest(
        of text: ManifestText, _ policies: [PolicyKind: PolicyIdentity],
        _ gates: [String: PolicyIdentity], _ adapters: [DeclaredAdapter],
        _ files: [String: FileStamp]
    ) throws(HostError) -> String {
        var parts = [text.directory, String(decoding: text.bytes, as: UTF8.self)]
        parts += policies.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            "\($0.key) \($0.value.text)"
        }
        parts += gates.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }
        parts += adapters.map { "\($0.name) \($0.source.root) \($0.stamps)" }
        parts += files.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        do throws(ModelLoadingError) {
            return String(try SHA256.digest(of: parts.joined(separator: "\u{0}")).prefix(16))
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }
}

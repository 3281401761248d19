// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting
import ManifestLoading
import PluginLoading

struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the JSON Schema of manifests, for editors.")

    @OptionGroup var plugins: PluginOptions

    func run() throws {
        let policies = try plugins.registry().map(KnownPolicy.init(_:))
        say(ManifestSchema.jsonSchema(policies: policies))
    }
}

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain a key of manifests or a policy type.",
        discussion: """
            As in: burrow explain spec.replicas.memory, burrow explain merged-only, burrow explain \
            PolicyTest.given.requests.
            """)

    @Argument(help: "A key with its path, or a policy type.")
    var name = "spec"

    @OptionGroup var plugins: PluginOptions

    func run() throws {
        let policies = try plugins.registry().map(KnownPolicy.init(_:))
        switch ManifestSchema.explain(name, policies: policies) {
        case .text(let text): say(text)
        case .unknown(let suggestion):
            let hint = suggestion.map { " (did you mean '\($0)'?)" } ?? ""
            complain("nothing is called '\(name)'\(hint)")
            throw ExitCode.failure
        }
    }
}

struct PluginOptions: ParsableArguments {
    @Option(help: "Folders to look for plugins in. Default: the folder of this program.")
    var search: [String] = []

    /// What is known of every policy type, and complaints about the libraries that were refused.
    func registry() throws -> [PolicyDescription] {
        try MainActor.assumeIsolated { try loadedRegistry().descriptions }
    }

    /// The policy types, with complaints about the libraries that were refused.
    @MainActor
    func loadedRegistry() throws -> PolicyRegistry {
        let folders = search.map(WorkingFolder.absolute)
        do throws(PluginError) {
            let registry = try ManifestReader.registry(
                searching: folders.isEmpty ? [ManifestReader.programFolder] : folders)
            for refusal in registry.refusals { complain("warning: \(refusal.description)") }
            return registry
        } catch {
            complain(error.description)
            throw ExitCode.failure
        }
    }
}

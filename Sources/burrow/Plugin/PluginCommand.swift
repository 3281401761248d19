// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting
import ManifestLoading
import PluginLoading
import PolicyKit

struct PluginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin",
        abstract: "See which policies there are; write, build and check them.",
        subcommands: [
            List.self, Describe.self, PluginNew.self, PluginBuild.self, PluginTest.self,
            PluginDoctor.self, PluginProbe.self,
        ])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the policy types, built in and from plugins.")

        @OptionGroup var plugins: PluginOptions

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
            let policies = try plugins.registry()
            guard !json else { return say(try burrow.json(policies.map(PolicyListing.init(_:)))) }
            var table = TextTable(header: ["KIND", "TYPE", "VERSION", "FROM", "SUMMARY"])
            for policy in policies {
                table.append([
                    policy.kind.rawValue, policy.type, policy.version, policy.origin.shortName,
                    policy.summary,
                ])
            }
            say(table.text)
        }
    }

    struct Describe: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Describe a policy type with its parameters.",
            discussion: """
                A library is described from the file that `burrow plugin build` has written beside \
                it; nothing of it is run.
                """)

        @Argument(help: "The policy type, or the path of a library.")
        var type: String

        @OptionGroup var plugins: PluginOptions

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
            if type.hasSuffix(".so") { return try describe(library: WorkingFolder.absolute(type)) }
            let policies = try plugins.registry()
            let known = policies.map(KnownPolicy.init(_:))
            guard let policy = policies.first(where: { $0.type == type }) else {
                complain("there is no policy type '\(type)': `burrow plugin list` shows them")
                throw ExitCode.failure
            }
            guard !json else { return say(try burrow.json(PolicyListing(policy))) }
            if case .text(let text) = ManifestSchema.explain(type, policies: known) { say(text) }
            say("\nfrom: \(policy.origin)")
        }

        private func describe(library: String) throws {
            guard case .valid(let metadata) = PluginMetadata.read(beside: library) else {
                complain(
                    "\(library): there is no description of these bytes beside it: "
                        + "`\(BuildCommand.text(for: library))` writes one")
                throw ExitCode.failure
            }
            guard !json else { return say(try burrow.json(metadata)) }
            say(metadata.policies.flatMap(\.lines).joined(separator: "\n"))
        }
    }
}

extension PolicyDescription.Origin {
    /// The file name of the library; the whole path is in `describe`.
    var shortName: String {
        switch self {
        case .builtIn: "built in"
        case .library(let path): path.split(separator: "/").last.map(String.init) ?? path
        }
    }
}

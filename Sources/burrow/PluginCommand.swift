// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting
import ManifestLoading
import PluginLoading
import PolicyKit

struct PluginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin", abstract: "See which policies there are.",
        subcommands: [List.self, Describe.self])

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
            abstract: "Describe a policy type with its parameters.")

        @Argument(help: "The policy type.")
        var type: String

        @OptionGroup var plugins: PluginOptions

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
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
    }
}

/// A policy as programs read it.
struct PolicyListing: Encodable {
    struct Parameter: Encodable {
        let name: String
        let type: String
        let documentation: String
        let defaultValue: String
    }

    let kind: String
    let type: String
    let version: String
    let summary: String
    let origin: String
    let parameters: [Parameter]

    init(_ policy: PolicyDescription) {
        kind = policy.kind.rawValue
        type = policy.type
        version = policy.version
        summary = policy.summary
        origin = policy.origin.description
        parameters = policy.parameters.map {
            Parameter(
                name: $0.name, type: "\($0.type)", documentation: $0.documentation,
                defaultValue: "\($0.defaultValue)")
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

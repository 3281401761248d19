// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import PluginLoading
import PluginScaffolding
import PolicyKit

/// Writes a package for a new policy.
struct PluginNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Write a package with a policy that builds and can be served.",
        discussion: """
            The package lies in a folder of the policy's name. It depends on PolicyKit in Burrow's \
            repository, which is looked for above this program unless --sdk or BURROW_SDK says \
            where it is.
            """)

    @Argument(help: "The policy's name in manifests, as night-shift-fairness.")
    var name: String

    @Option(
        help: "The question that the policy answers: \(Self.kinds).",
        transform: Self.kind(named:))
    var kind: PolicyKind

    @Option(help: "Make the package's folder in this one.")
    var path = "."

    @Option(help: "The folder of Burrow's repository.")
    var sdk: String?

    func run() throws {
        do {
            let sdk = try PolicySDK.find(
                option: sdk, environment: ProcessInfo.processInfo.environment,
                program: Self.program, folder: FileManager.default.currentDirectoryPath)
            let scaffold = try PluginScaffold(name: name, kind: kind, sdk: sdk)
            if let origin = Self.origin(of: name) {
                complain(
                    "there is a policy '\(name)' already, \(origin): a host would refuse a second one; "
                        + "choose another name")
                throw ExitCode.failure
            }
            let folder = path == "." ? name : "\(path)/\(name)"
            try scaffold.write(to: WorkingFolder.absolute(folder))
            say(
                """
                made \(folder), with the policy in \(folder)/\(scaffold.sourcePath)
                try: burrow plugin test \(folder)
                """)
        } catch let error as ScaffoldError {
            complain(error.description)
            throw ExitCode.failure
        }
    }

    /// Where a policy of this name comes from, of those that are built in or lie beside this program.
    private static func origin(of name: String) -> PolicyDescription.Origin? {
        MainActor.assumeIsolated {
            let registry = try? ManifestReader.registry(searching: [ManifestReader.programFolder])
            return try? registry?.description(of: name).origin
        }
    }

    private static var kinds: String {
        PolicyKind.allCases.map(\.rawValue).joined(separator: ", ")
    }

    private static func kind(named name: String) throws -> PolicyKind {
        if let kind = PolicyKind(rawValue: name) { return kind }
        throw ValidationError("there is no kind '\(name)': choose one of \(kinds)")
    }

    /// This program, with every symbolic link resolved.
    private static var program: String {
        let executable = Bundle.main.executableURL ?? URL(fileURLWithPath: "/proc/self/exe")
        return executable.resolvingSymlinksInPath().path
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import PluginLoading

/// Builds the plugins of a package.
struct PluginBuild: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Build the plugins of a package.",
        discussion: """
            Builds each dynamic library of the package with Swift's package manager, in release, and \
            writes beside each what it says of itself (libNAME.json), so that it can be read without \
            loading the library. Ends as `swift build` does.
            """)

    @Argument(help: "The folder of the package.")
    var package = "."

    @Option(name: [.short, .long], help: "How to compile.")
    var configuration = BuildConfiguration.release

    func run() throws {
        for library in try PluginPackage(package).build(configuration) {
            let probe = try PluginProbe.described(library)
            try PluginMetadata.write(probe, beside: library)
            say(library)
        }
    }
}

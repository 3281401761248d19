// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import PolicyIsolation
import PolicyKit

/// What a host runs itself for each policy with `isolation: process`; nobody else calls it.
struct PolicyHostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: PolicyHost.subcommand, abstract: "Answer for one policy of a host.",
        shouldDisplay: false)

    func run() throws {
        do throws(PolicyError) {
            try PolicyHost.run()
        } catch {
            complain(error.description)
            throw ExitCode.failure
        }
    }
}

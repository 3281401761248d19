// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Logging
import Supervision

/// What a supervisor tells the host that it starts.
struct SupervisionOptions: ParsableArguments {
    @Flag(help: .hidden)
    var underSupervisor = false

    @Flag(help: .hidden)
    var inheritedListener = false

    /// How many hosts the supervisor has started before.
    @Option(help: .hidden)
    var startNumber = 0

    /// The name of a policy, a tab, and why it is not used.
    @Option(help: .hidden)
    var quarantine: [String] = []

    var terms: SupervisionTerms {
        var terms = SupervisionTerms()
        terms.isSupervised = underSupervisor
        terms.inheritsListener = inheritedListener
        terms.startNumber = max(0, startNumber)
        terms.quarantines = quarantine.map { text in
            let parts = text.split(separator: "\t", maxSplits: 1).map(String.init)
            return Quarantine(name: parts.first ?? "", reason: parts.count > 1 ? parts[1] : "")
        }
        return terms
    }

    /// A host whose supervisor is gone drains and ends.
    static func followSupervisor() { Supervisor.follow(SIGTERM) }
}

extension Serve {
    /// Runs hosts with this command's options until one ends well.
    func supervise() throws {
        guard let path = Preflight.ownProgram else {
            throw fail("the program cannot find itself, and cannot start a host")
        }
        var environment = ProcessInfo.processInfo.environment
        if environment["SWIFT_BACKTRACE"] == nil {
            // Printing one takes seconds, in which nobody serves; the journal names the culprit.
            environment["SWIFT_BACKTRACE"] = "enable=no"
        }
        let arguments = CommandLine.arguments.dropFirst().filter { $0 != "--supervised" }
        let log = logging.logger()
        let program = Supervisor.Program(
            path: path, arguments: arguments + ["--under-supervisor"], environment: environment)
        guard let supervisor = Supervisor(program, say: { log.warning("supervisor: \($0)") }) else {
            throw fail("the system has no descriptors or memory left for a supervisor")
        }
        let status = supervisor.run()
        if status != 0 { throw ExitCode(status) }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import ManifestLoading
import Supervision

/// The trial of a manifest: what it does may kill this process, and no other.
struct PreflightCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preflight",
        abstract: "Try a manifest from standard input; the host runs this before it changes.",
        shouldDisplay: false)

    @Option(help: "The name that messages show.")
    var file: String

    @Option(help: "Where relative paths start from.")
    var directory: String

    func run() throws {
        Trial.confine()
        let bytes = Array(FileHandle.standardInput.readDataToEndOfFile())
        let text = ManifestText(bytes, file: file, directory: directory)
        var faults: [String] = []
        do throws(HostError) {
            try PreflightTrial { say(.stage($0)) }.run(text)
        } catch {
            faults = [error.description]
        }
        say(.faults(faults))
    }

    private func say(_ line: Preflight.Line) {
        guard let text = try? JSONEncoder().encode(line) else { return }
        // Written at once: what comes next may end the process.
        FileHandle.standardOutput.write(text + Data("\n".utf8))
    }
}

/// What a trial may take of the machine.
private enum Trial {
    static func confine() {
        // A host that ends leaves nothing behind.
        Supervisor.follow(SIGKILL)
        // The host and its clients come first, but a busy host must not starve the trial.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 5)
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        var seconds = rlimit(rlim_cur: 30, rlim_max: 60)
        setrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &seconds)
    }
}

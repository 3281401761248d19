// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import LoopIO

/// A trial of a manifest in a process of its own, so that a plugin that traps, hangs or ends the
/// process as it is loaded or made hurts nobody.
nonisolated package struct Preflight: Sendable {
    /// What the process writes, a line of JSON each.
    package enum Line: Codable, Sendable {
        /// What it is about to do; the last one is what it died of.
        case stage(String)
        /// What is wrong with the manifest, as people read it. No fault is all well.
        case faults([String])
    }

    /// Longer and it is given up; of processor time it may take half a minute.
    package var deadline = Duration.seconds(120)

    /// The program and its first arguments.
    package var program: String

    package init(program: String) { self.program = program }

    /// The program that runs now.
    package static var ownProgram: String? {
        Bundle.main.executableURL?.resolvingSymlinksInPath().path
    }

    /// Tries the manifest.
    ///
    /// - Throws: `HostError` with what the trial found, or what it died of.
    func run(_ text: ManifestText) throws(HostError) {
        var environment = ProcessInfo.processInfo.environment
        // Whoever reads the log wants the sentence that names the culprit, not a page of addresses.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        let child = ChildProgram(
            path: program,
            arguments: ["preflight", "--file", text.file, "--directory", text.directory],
            environment: environment)
        let outcome: ChildProgram.Outcome
        do throws(LoopError) {
            outcome = try child.run(input: text.bytes, deadline: deadline)
        } catch {
            throw HostError(.cannotStart, "the preflight cannot run: \(error.description)")
        }
        try Self.judge(outcome, within: deadline)
    }

    /// - Throws: `HostError` with the faults of a trial.
    static func judge(
        _ outcome: ChildProgram.Outcome, within deadline: Duration
    ) throws(HostError) {
        let decoder = JSONDecoder()
        let lines = outcome.output.split(separator: 0x0A).compactMap {
            try? decoder.decode(Line.self, from: Data($0))
        }
        var stage = "starting"
        for line in lines {
            switch line {
            case .stage(let text): stage = text
            case .faults(let faults) where outcome.end == .exited(0):
                guard !faults.isEmpty else { return }
                throw HostError(.badConfiguration, faults.joined(separator: "\n"))
            case .faults: break
            }
        }
        let end =
            switch outcome.end {
            case .exited(let code): "ended with \(code)"
            case .killed(let signal): "died of \(SignalName(signal))"
            case .timedOut: "was not done after \(deadline)"
            }
        throw HostError(.badConfiguration, "the preflight \(end) while \(stage)")
    }
}

/// A signal as people know it.
nonisolated package struct SignalName: CustomStringConvertible {
    package let number: Int32

    package init(_ number: Int32) { self.number = number }

    package var description: String {
        switch number {
        case SIGILL: "SIGILL (a trap: a failed precondition, an index out of range, an overflow)"
        case SIGTRAP: "SIGTRAP (a trap: a failed precondition, an index out of range, an overflow)"
        case SIGSEGV: "SIGSEGV (a wild pointer, or a stack that is too deep)"
        case SIGBUS: "SIGBUS (a mapped file that was cut short)"
        case SIGABRT: "SIGABRT (it gave itself up)"
        case SIGFPE: "SIGFPE (a division by zero)"
        case SIGKILL: "SIGKILL (the system or somebody killed it)"
        case SIGXCPU: "SIGXCPU (it took more processor time than it may)"
        case SIGXFSZ: "SIGXFSZ (it wrote more than it may)"
        default: "signal \(number)"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

/// A run of ``PluginProbe`` in a process of its own.
enum ProbeProcess {
    /// How it ended.
    enum End: Equatable {
        case exited(Int32)
        case trapped(signal: Int32)
        /// It said nothing for so many seconds, and was ended.
        case stalled(seconds: Int64)

        var text: String {
            switch self {
            case .exited(let status): "it ended with \(status)"
            case .trapped(let signal): "it was ended by \(SignalName(signal))"
            case .stalled(let seconds): "it did not answer for \(seconds) s"
            }
        }
    }

    /// The longest line that is read.
    private static let mostBytes = 1 << 22

    /// Runs it to its end, and hands over each line; what a plugin writes in between is passed over.
    ///
    /// - Parameters:
    ///   - arguments: Of the command.
    ///   - timeout: How long it may say nothing.
    ///   - take: Gets each line.
    /// - Returns: how it ended.
    /// - Throws: where it cannot be started, after a complaint.
    static func run(
        _ arguments: [String], timeout: Duration, _ take: (ProbeLine) -> Void
    ) throws -> End {
        let process = Process()
        process.executableURL = Bundle.main.executableURL
        process.arguments = ["plugin", "probe"] + arguments
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        do {
            try process.run()
        } catch {
            complain("cannot run a process for the plugin: \(error.localizedDescription)")
            throw ExitCode.failure
        }
        // The writing end is the child's alone, so that its end shows.
        try? pipe.fileHandleForWriting.close()
        let answers = read(pipe.fileHandleForReading.fileDescriptor, timeout: timeout, take)
        if !answers { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        if !answers { return .stalled(seconds: timeout.components.seconds) }
        return process.terminationReason == .uncaughtSignal
            ? .trapped(signal: process.terminationStatus)
            : .exited(process.terminationStatus)
    }

    /// - Returns: whether it came to the end of the lines.
    private static func read(
        _ descriptor: Int32, timeout: Duration, _ take: (ProbeLine) -> Void
    ) -> Bool {
        var line = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var deadline = ContinuousClock.now + timeout
        while true {
            let left = (deadline - ContinuousClock.now) / .milliseconds(1)
            guard left > 0 else { return false }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Int32(min(left.rounded(.up), 60_000)))
            if ready == 0 || ready < 0 && errno == EINTR { continue }
            let count = Foundation.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return true }
            for byte in buffer.prefix(count) {
                guard byte == 0x0A else {
                    if line.count < mostBytes { line.append(byte) }
                    continue
                }
                if let told = try? JSONDecoder().decode(ProbeLine.self, from: line) {
                    take(told)
                    deadline = ContinuousClock.now + timeout
                }
                line.removeAll(keepingCapacity: true)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation

/// `burrow status --trace` that has begun to record.
final class TraceListener: Sendable {
    private let child: ChildProcess
    private let header: [UInt8]

    /// Waits for the header: from then on every decision is recorded.
    static func start(
        _ server: BurrowProcess, _ more: [String], command: [String] = ["status", "--trace"]
    ) async throws -> TraceListener {
        try await onThread { try TraceListener(server, command + more) }
    }

    private init(_ server: BurrowProcess, _ arguments: [String]) throws {
        child = try ChildProcess(
            Built.burrow, arguments + ["--socket", server.adminSocket],
            in: TestFolder(), collectsOutput: false)
        var line: [UInt8] = []
        while line.last != 0x0A {
            guard let byte = try Self.read(from: child, atMost: 1).first else {
                throw WireFault.ended("nothing was recorded:\n\(child.errors)")
            }
            line.append(byte)
        }
        header = line
    }

    /// The whole trace, once the recording has ended.
    func end() async throws -> CommandResult {
        try await onThread { [self] in
            var trace = header
            while true {
                let piece = try Self.read(from: child, atMost: 1 << 16)
                if piece.isEmpty { break }
                trace += piece
            }
            var result = try child.end()
            result.output = String(decoding: trace, as: UTF8.self)
            return result
        }
    }

    private static func read(from child: ChildProcess, atMost most: Int) throws -> [UInt8] {
        let descriptor = child.output.fileHandleForReading.fileDescriptor
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, WireConnection.deadlineMilliseconds) > 0 else {
            throw WireFault.deadline("a line of the trace; it wrote:\n\(child.errors)")
        }
        var buffer = [UInt8](repeating: 0, count: most)
        let count = Foundation.read(descriptor, &buffer, most)
        return Array(buffer.prefix(max(0, count)))
    }
}

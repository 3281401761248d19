// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How a command ended.
struct CommandResult: Sendable {
    var status: Int32
    var output: String
    var errors: String
}

/// A program that tests have started.
final class ChildProcess: Sendable {
    let folder: TestFolder
    private let process: Process
    private let ended = DispatchSemaphore(value: 0)
    let output = Pipe()

    /// Starts `program`; its output goes to a file, or without `collectsOutput` to ``output``.
    init(
        _ program: String, _ arguments: [String], in folder: TestFolder,
        collectsOutput: Bool = true
    ) throws {
        self.folder = folder
        process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        var environment = ProcessInfo.processInfo.environment
        environment["XDG_CACHE_HOME"] = "\(folder.path)/cache"
        // Hosts of tests have the same names, and must not meet.
        environment["XDG_RUNTIME_DIR"] = folder.path
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardError = try Self.file(folder.write("errors", ""))
        if collectsOutput {
            process.standardOutput = try Self.file(folder.write("output", ""))
        } else {
            process.standardOutput = output
        }
        let ended = ended
        process.terminationHandler = { process in
            Leftovers.ended(process)
            ended.signal()
        }
        try Leftovers.start(process)
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    var errors: String {
        (try? String(contentsOfFile: "\(folder.path)/errors", encoding: .utf8)) ?? ""
    }

    var processIdentifier: Int32 { process.processIdentifier }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits for the end, and kills where it does not come in time.
    func end(within seconds: Int = 600) throws -> CommandResult {
        guard ended.wait(timeout: .now() + .seconds(seconds)) == .success else {
            signal(SIGKILL)
            throw WireFault.deadline("the end of the process; it wrote:\n\(errors)")
        }
        ended.signal()
        let output = try? String(contentsOfFile: "\(folder.path)/output", encoding: .utf8)
        return CommandResult(
            status: process.terminationStatus, output: output ?? "", errors: errors)
    }

    private static func file(_ path: String) throws -> FileHandle {
        try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
}

/// Runs a program to its end.
func run(
    _ program: String, _ arguments: [String], in folder: TestFolder? = nil
) async throws -> CommandResult {
    try await onThread {
        let folder = try folder ?? TestFolder()
        return try ChildProcess(program, arguments, in: folder).end()
    }
}

/// `burrow serve` at a port of its own.
final class BurrowProcess: Sendable {
    let port: Int
    /// The line that says what is served and where.
    let greeting: String
    /// The file that it serves.
    let manifest: String
    private let child: ChildProcess

    /// Starts with the manifest `text`, whose paths are absolute, and waits for its address.
    static func start(
        _ manifest: ServedManifest, arguments: [String] = []
    ) async throws -> BurrowProcess {
        try await onThread {
            let folder = try TestFolder()
            return try BurrowProcess(
                try folder.write("manifest.yaml", manifest.text), arguments, in: folder)
        }
    }

    /// Starts with a manifest that lies somewhere.
    static func start(path: String) async throws -> BurrowProcess {
        try await onThread { try BurrowProcess(path, in: try TestFolder()) }
    }

    private init(_ manifest: String, _ options: [String] = [], in folder: TestFolder) throws {
        self.manifest = manifest
        child = try ChildProcess(
            Built.burrow, ["serve", manifest, "--listen", "127.0.0.1:0"] + options, in: folder,
            collectsOutput: false)
        var line: [UInt8] = []
        let descriptor = child.output.fileHandleForReading.fileDescriptor
        while line.last != 0x0A {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, WireConnection.deadlineMilliseconds) > 0 else {
                throw WireFault.deadline("the address of burrow; it wrote:\n\(child.errors)")
            }
            var byte: UInt8 = 0
            guard read(descriptor, &byte, 1) == 1 else {
                throw WireFault.ended("burrow did not start:\n\(child.errors)")
            }
            line.append(byte)
        }
        let text = String(decoding: line, as: UTF8.self)
        guard text.hasPrefix("serving "), let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...].dropLast())
        else { throw WireFault.malformed(text) }
        self.port = port
        greeting = text
    }

    var log: String { child.errors }

    /// Where its files are.
    var folder: TestFolder { child.folder }

    var processIdentifier: Int32 { child.processIdentifier }

    /// Where the admin surface of a manifest named `test` is.
    var adminSocket: String { "\(child.folder.path)/burrow-\(getuid())/test.sock" }

    func signal(_ number: Int32) { child.signal(number) }

    /// Waits for the end after a signal.
    func end() async throws -> CommandResult { try await onThread { try self.child.end() } }

    /// Ends it as an operator would, and checks that it ended well.
    func stop() async throws {
        signal(SIGTERM)
        let result = try await end()
        guard result.status == 0 else {
            throw WireFault.malformed("burrow ended with \(result.status):\n\(result.errors)")
        }
        guard result.errors.hasSuffix("drained\n") else {
            throw WireFault.malformed("burrow complained at its end:\n\(result.errors)")
        }
    }
}

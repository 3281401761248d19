// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// A program that runs to its end while the calling thread waits; never for the loop thread.
///
/// It is started without a copy of this process's memory, so a large process is not held up.
package nonisolated struct ChildProgram: Sendable {
    /// How a program ended.
    package enum End: Sendable, Equatable {
        case exited(Int32)
        /// By a signal, which nothing caught.
        case killed(Int32)
        /// It did not end in time and was killed.
        case timedOut
    }

    /// What came of it.
    package struct Outcome: Sendable {
        package var end: End
        /// The beginning of what it wrote to its standard output.
        package var output: [UInt8]
    }

    /// Longer output is cut off.
    package static let mostOutput = 4 << 20

    package var path: String
    package var arguments: [String]
    package var environment: [String: String]

    package init(path: String, arguments: [String], environment: [String: String]) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
    }

    /// Runs the program with `input` as its standard input. Its standard error is ours.
    ///
    /// - Throws: `LoopError` where it cannot be started.
    package func run(input: [UInt8], deadline: Duration) throws(LoopError) -> Outcome {
        let source = try Self.file(holding: input)
        defer { close(source) }
        var ends: [Int32] = [-1, -1]
        try Self.check(burrow_pipe(&ends), "make a pipe")
        let process: pid_t
        do throws(LoopError) {
            process = try start(reading: source, writing: ends[1])
        } catch {
            close(ends[0])
            close(ends[1])
            throw error
        }
        close(ends[1])
        defer { close(ends[0]) }
        let end = EventLoop.now &+ UInt64(max(0, deadline.wholeMilliseconds)) &* 1_000_000
        let (output, isComplete) = Self.output(from: ends[0], until: end)
        // The pipe is closed before the process is gone, if only just.
        let isOver = isComplete && Self.waits(for: process, until: end)
        if !isOver { kill(process, SIGKILL) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return Outcome(end: isOver ? Self.end(status) : .timedOut, output: output)
    }

    private func start(reading source: Int32, writing target: Int32) throws(LoopError) -> pid_t {
        let words = ([path] + arguments).map { strdup($0) } + [nil]
        let variables =
            environment.sorted { $0.key < $1.key }
            .map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        return try Self.check(
            burrow_spawn(path, words, variables, [source, target, STDERR_FILENO], 3),
            "start \(path)")
    }

    /// A file in memory that holds the bytes and is read from its beginning.
    private static func file(holding bytes: [UInt8]) throws(LoopError) -> Int32 {
        let file = try check(burrow_memory_file("input"), "make a file in memory")
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes {
                write(file, $0.baseAddress! + done, $0.count - done)
            }
            if put < 0, errno == EINTR { continue }
            guard put > 0 else {
                let status = -errno
                close(file)
                throw LoopError(UVStatus(rawValue: status), during: "fill a file in memory")
            }
            done += put
        }
        lseek(file, 0, SEEK_SET)
        return file
    }

    /// What comes until the writer closes its end, and whether it did in time.
    private static func output(from pipe: Int32, until end: UInt64) -> ([UInt8], Bool) {
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while wait(for: pipe, until: end) {
            let count = read(pipe, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return (output, count == 0) }
            // What is too much is read all the same, or the writer would wait for ever.
            output += buffer.prefix(min(count, mostOutput - output.count))
        }
        return (output, false)
    }

    private static func waits(for process: pid_t, until end: UInt64) -> Bool {
        let descriptor = burrow_process_descriptor(process)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        return wait(for: descriptor, until: end)
    }

    /// Whether the descriptor became readable in time.
    private static func wait(for descriptor: Int32, until end: UInt64) -> Bool {
        while true {
            let now = EventLoop.now
            guard now < end else { return false }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let milliseconds = Int32(clamping: (end - now) / 1_000_000 + 1)
            if poll(&waiting, 1, milliseconds) > 0 { return true }
        }
    }

    private static func end(_ status: Int32) -> End {
        // WIFEXITED, WEXITSTATUS and WTERMSIG of wait(2), which are macros.
        status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .killed(status & 0x7f)
    }

    /// What a call gave, or its error.
    @discardableResult
    private static func check(_ result: Int32, _ action: String) throws(LoopError) -> Int32 {
        guard result >= 0 else { throw LoopError(UVStatus(rawValue: result), during: action) }
        return result
    }
}

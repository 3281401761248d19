// SPDX-License-Identifier: Apache-2.0

import CIsolation
import CLinux
import Glibc
import PolicyKit
import Synchronization

/// A child process that answers for one policy; it is killed when this value goes away.
final class PolicyProcess {
    let channel: FrameChannel
    let startedAt: Instant
    private let child: pid_t
    private var isOver = false

    /// Starts `program policy-host`.
    init(program: String) throws(PolicyError) {
        Self.reapOthers()
        var ends: (CInt, CInt) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) {
            socketpair(
                AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0,
                $0.assumingMemoryBound(to: CInt.self).baseAddress!)
        }
        guard made == 0 else {
            throw PolicyError("no channel can be made: \(String(cString: strerror(errno)))")
        }
        let child = Self.spawn(program, channel: ends.1)
        close(ends.1)
        guard child > 0 else {
            close(ends.0)
            throw PolicyError(
                "\(program) cannot be started: \(String(cString: strerror(-child)))")
        }
        self.child = child
        channel = FrameChannel(file: ends.0)
        startedAt = MonotonicClock.now
    }

    deinit {
        if !isOver { _ = end() }
        close(channel.file)
    }

    var identifier: pid_t { child }

    /// Kills the process, and says how it ended where that is known soon.
    func end(within milliseconds: Int = 0) -> String {
        guard !isOver else { return "its process has ended" }
        isOver = true
        var status: CInt = 0
        if milliseconds > 0,
            burrow_isolation_await(child, CInt(clamping: milliseconds), &status) == 1
        {
            return Self.text(of: status)
        }
        kill(child, SIGKILL)
        if burrow_isolation_await(child, 0, &status) != 1 {
            Self.unreaped.withLock { $0.append(child) }
        }
        return "its process was killed"
    }

    /// Children that were killed and whose end has not come yet: taking apart a large address space
    /// takes time, for which no decision waits.
    private static let unreaped = Mutex<[pid_t]>([])

    private static func reapOthers() {
        unreaped.withLock { children in
            var status: CInt = 0
            children.removeAll { waitpid($0, &status, WNOHANG) != 0 }
        }
    }

    private static func text(of status: CInt) -> String {
        let signal = status & 0x7f
        guard signal != 0 else { return "its process ended with \((status >> 8) & 0xff)" }
        let name = strsignal(signal).map { String(cString: $0) } ?? "unknown"
        return "its process ended by signal \(signal) (\(name))"
    }

    /// The process, or an error number below zero.
    private static func spawn(_ program: String, channel: CInt) -> pid_t {
        let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard nothing >= 0 else { return -errno }
        defer { close(nothing) }
        // The channel stands where `BURROW_ISOLATION_CHANNEL` says.
        let files = [nothing, nothing, STDERR_FILENO, channel]
        let kept = ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "LANG"]
        var environment = kept.compactMap { name in
            getenv(name).map { "\(name)=\(String(cString: $0))" }
        }
        // A policy computes on one thread; whoever dies, dies at once.
        environment += [
            "OPENBLAS_NUM_THREADS=1", "MALLOC_ARENA_MAX=1", "SWIFT_BACKTRACE=enable=no",
        ]
        let arguments = ["burrow", PolicyHost.subcommand]
        return withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                burrow_spawn(program, arguments, environment, files, CInt(files.count))
            }
        }
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
    }
}

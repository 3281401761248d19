// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// The descriptors that a supervised host inherits, beside the usual three.
package enum HostDescriptor {
    package static let control: Int32 = 3
    package static let journal: Int32 = 4
    /// Only from the second start on.
    package static let listener: Int32 = 5
}

/// A policy that has brought a host down and is not to be used again as it is.
package struct Quarantine: Sendable, Equatable {
    /// As the crash journal names it.
    package var name: String

    /// What it did.
    package var reason: String

    package init(name: String, reason: String) {
        self.name = name
        self.reason = reason
    }
}

/// Runs a host and starts it again when it dies: the listening socket and the clients stay, and the
/// policy that did it does not.
///
/// It has one thread, loads no plugin, and knows nothing of manifests.
package final class Supervisor {
    /// How a host is started: the program, its arguments and its environment.
    package struct Program {
        package var path: String
        package var arguments: [String]
        package var environment: [String: String]

        package init(path: String, arguments: [String], environment: [String: String]) {
            self.path = path
            self.arguments = arguments
            self.environment = environment
        }
    }

    private let program: Program
    private let say: (String) -> Void
    private let journal: CrashJournal
    private let journalFile: Int32
    private let signals: Int32
    private var listener: Int32?
    private var ledger = ConnectionLedger()
    private var descriptors: [UInt64: Int32] = [:]
    private var waiting: [WaitingClient] = []
    private var rules = RestartRules()
    private var quarantines: [Quarantine] = []
    private var isEnding = false
    private var starts = 0

    /// A supervisor that writes lines of a log with `say`; `nil` where the system has no descriptors
    /// or memory left.
    package init?(_ program: Program, say: @escaping (String) -> Void) {
        self.program = program
        self.say = say
        journalFile = burrow_memory_file("crash-journal")
        let watched = [SIGTERM, SIGINT, SIGHUP]
        signals = burrow_signals(watched, Int32(watched.count))
        guard journalFile >= 0, signals >= 0, let journal = CrashJournal(file: journalFile) else {
            return nil
        }
        self.journal = journal
    }

    /// Has this process, a host, get a signal when its supervisor ends.
    package static func follow(_ signal: Int32) { _ = burrow_follow_parent(signal) }

    /// Runs hosts until one ends well, or none can be kept alive.
    ///
    /// - Returns: the status to end with.
    package func run() -> Int32 {
        while true {
            journal.clear()
            let start = Self.now
            guard let (process, control) = startHost() else { return 1 }
            let (end, wasReady) = watch(process, control)
            let culprit = judge(end)
            let decision = rules.ended(
                end, ran: Self.now - start, wasReady: wasReady, isEnding: isEnding,
                hasCulprit: culprit != nil)
            settleClients()
            guard case .restart(let delay) = decision else {
                dismissClients()
                if case .end(let status) = decision { return status }
                return 1
            }
            say("the host is started again\(delay > 0 ? " in \(delay) s" : "")")
            wait(seconds: delay)
            if isEnding {
                dismissClients()
                return 0
            }
        }
    }

    // MARK: - A host's life

    private func startHost() -> (pid_t, ControlSocket)? {
        guard let (ours, theirs) = ControlSocket.pair() else {
            say("there are no descriptors left for a host")
            return nil
        }
        // Clients that wait for a host keep their numbers, which its own must not meet.
        var arguments = program.arguments + ["--start-number", "\(starts)"]
        starts += 1
        var inherited = [
            STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, theirs.descriptor, journalFile,
        ]
        if let listener {
            inherited.append(listener)
            arguments.append("--inherited-listener")
        }
        for quarantine in quarantines {
            arguments += ["--quarantine", "\(quarantine.name)\t\(quarantine.reason)"]
        }
        let words = ([program.path] + arguments).map { strdup($0) } + [nil]
        let variables =
            program.environment.sorted { $0.key < $1.key }
            .map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        let process = burrow_spawn(
            program.path, words, variables, inherited, Int32(inherited.count))
        guard process > 0 else {
            say("the host cannot be started: \(String(cString: strerror(-process)))")
            return nil
        }
        return (process, ours)
    }

    /// Notes what the host says until it ends.
    private func watch(_ process: pid_t, _ control: ControlSocket) -> (HostEnd, wasReady: Bool) {
        var wasReady = false
        var isSpeaking = true
        let ended = burrow_process_descriptor(process)
        defer { close(ended) }
        while true {
            var waiting = [
                pollfd(fd: isSpeaking ? control.descriptor : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ended, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waiting, 3, -1) > 0 else { continue }
            if waiting[1].revents != 0 { passOn(burrow_next_signal(signals), to: process) }
            if waiting[0].revents != 0 {
                guard let received = control.receive() else {
                    isSpeaking = false
                    continue
                }
                note(received)
                if received.message == .ready {
                    wasReady = true
                    handOver(to: control)
                }
            } else if waiting[2].revents != 0 {
                // Nothing that it said is left unread.
                return (Self.reap(process), wasReady)
            }
        }
    }

    private func note(_ received: ControlSocket.Received) {
        switch received.message {
        case .listening:
            if let old = listener { close(old) }
            listener = received.descriptor
            return
        case .opened(let id, _):
            if let old = descriptors[id] { close(old) }
            descriptors[id] = received.descriptor
        case .closed(let id):
            if let descriptor = descriptors.removeValue(forKey: id) { close(descriptor) }
        default:
            if let stray = received.descriptor { close(stray) }
        }
        ledger.note(received.message)
    }

    private func passOn(_ signal: Int32, to process: pid_t) {
        guard signal > 0 else { return }
        if signal != SIGHUP { isEnding = true }
        kill(process, signal)
    }

    /// Says what the host died of.
    ///
    /// - Returns: the policy that did it, which is not used again.
    private func judge(_ end: HostEnd) -> Quarantine? {
        guard case .killed(let signal) = end, !isEnding else {
            if case .exited(let status) = end, status != 0, !isEnding {
                say("the host ended with \(status)")
            }
            return nil
        }
        let name = String(cString: strsignal(signal))
        guard signal != SIGKILL, let culprit = journal.culprits.first else {
            say("the host died of signal \(signal) (\(name)); no policy was running")
            return nil
        }
        let quarantine = Quarantine(
            name: culprit.name, reason: "the host died in it of signal \(signal) (\(name))")
        say("the host died of signal \(signal) (\(name)) in \(culprit.name), which is set aside")
        if !quarantines.contains(where: { $0.name == quarantine.name }) {
            quarantines.append(quarantine)
        }
        return quarantine
    }

    private static func reap(_ process: pid_t) -> HostEnd {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        // WIFEXITED, WEXITSTATUS and WTERMSIG of wait(2), which are macros.
        return status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .killed(status & 0x7f)
    }

    // MARK: - Clients of a dead host

    /// A client that waits for the next host.
    private struct WaitingClient {
        var id: UInt64
        var request: [UInt8]?
        var peer: String
    }

    /// Gives a host that serves the clients of the one before.
    private func handOver(to control: ControlSocket) {
        for client in waiting {
            guard let descriptor = descriptors[client.id] else { continue }
            control.send(.opened(id: client.id, peer: client.peer), with: descriptor)
            if let request = client.request { control.send(request, of: client.id) }
        }
        waiting = []
        control.send(.handedOver)
    }

    private func settleClients() {
        for (id, disposition) in ledger.hostDied() {
            switch disposition {
            case .handOver(let request, let peer):
                // One that no host has taken over yet keeps the request that it waits with.
                waiting.append(WaitingClient(id: id, request: request, peer: peer))
            case .endStream(let form): finish(id, LastWords.endOfStream(form))
            case .refuse: finish(id, LastWords.refusal)
            case .cutOff: finish(id, [])
            }
        }
        guard !waiting.isEmpty else { return }
        let retried = waiting.count { $0.request != nil }
        say("\(waiting.count) clients are left behind, \(retried) with a request")
    }

    /// There will be no next host.
    private func dismissClients() {
        for client in waiting { finish(client.id, client.request == nil ? [] : LastWords.refusal) }
        waiting = []
    }

    private func finish(_ id: UInt64, _ bytes: [UInt8]) {
        guard let descriptor = descriptors.removeValue(forKey: id) else { return }
        // A client that takes nothing is not waited for.
        _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    private func wait(seconds: Double) {
        let end = Self.now + seconds
        while !isEnding, case let left = end - Self.now, left > 0 {
            var waiting = pollfd(fd: signals, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(left * 1000) + 1) > 0 else { continue }
            let signal = burrow_next_signal(signals)
            if signal > 0, signal != SIGHUP { isEnding = true }
        }
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// What is said to clients in the place of a host that died.
package enum LastWords {
    private static let error =
        #"{"error":{"message":"The server has failed while it answered, and was started again. "#
        + #"Send the request again.","type":"InternalServerError","param":null,"code":500}}"#

    /// The end of a stream of events that a dead host has begun.
    package static func endOfStream(_ form: ResponseForm) -> [UInt8] {
        let event = Array("data: \(error)\n\n".utf8)
        switch form {
        case .whole: return []
        case .plainEvents: return event
        case .chunkedEvents:
            let size = Array("\(String(event.count, radix: 16))\r\n".utf8)
            return size + event + Array("\r\n0\r\n\r\n".utf8)
        }
    }

    /// The answer to a request that is not tried again.
    package static let refusal: [UInt8] = {
        let body = Array(error.utf8)
        let head =
            "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + body
    }()
}

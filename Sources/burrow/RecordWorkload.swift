// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Workloads

struct RecordWorkload: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workload",
        abstract: "Record the requests of a running host as a trace to replay.",
        discussion: """
            The trace has when requests came, the index of their adapter, and their tokens; no text. \
            `burrow simulate --trace` and `burrow bench --trace` read it. Requests that come within \
            --seconds, or the first --requests, are recorded when they have ended; those that failed \
            or were given up are left out. Without either it records until this command is ended; \
            what was written by then can be read.

            Without a manifest or --socket it asks the one host that runs in the usual place.
            """)

    @Argument(help: "The file that is written, instead of standard output.", completion: .file())
    var file: String?

    @Option(help: "The manifest that the host serves.")
    var manifest: String?

    @Option(help: "The socket of the host's admin surface, instead of a manifest.")
    var socket: String?

    @Option(help: "How many requests are recorded at most.")
    var requests: Int?

    @Option(help: "For how many seconds requests are recorded.")
    var seconds: Int?

    @Flag(help: "Write what came in the last ten minutes, with what was observed of it, and end.")
    var recent = false

    func validate() throws {
        if manifest != nil, socket != nil {
            throw ValidationError("give --manifest or --socket, not both")
        }
        if recent, requests != nil || seconds != nil {
            throw ValidationError("--recent goes without --requests and --seconds")
        }
    }

    func run() throws {
        let client = AdminClient(
            path: try AdminSocketPath.path(manifest: manifest, socket: socket))
        let wishes = [requests.map { "requests=\($0)" }, seconds.map { "seconds=\($0)" }]
            .compactMap { $0 }
        let target =
            recent ? "/admin/workload/recent" : "/admin/workload" + (wishes.isEmpty ? "" : "?")
        var trace = RecordedWorkload(path: file.map { WorkingFolder.absolute($0) })
        let end = try trace.take(target + wishes.joined(separator: "&"), from: client)
        complain(end.text(adapters: trace.adapters))
    }

    /// The requests of the last ten minutes.
    static func recent(from client: AdminClient) throws -> ObservedWorkload {
        guard let workload = try recentIfAny(from: client) else {
            throw fail("the host had no request lately")
        }
        return workload
    }

    /// As ``recent(from:)``; `nil` where there was none.
    static func recentIfAny(from client: AdminClient) throws -> ObservedWorkload? {
        var trace = RecordedWorkload(path: nil)
        trace.isKept = true
        _ = try trace.take("/admin/workload/recent", from: client)
        return trace.requests.isEmpty ? nil : ObservedWorkload(trace.requests)
    }
}

/// A trace of requests on its way from a host into a file.
private struct RecordedWorkload {
    /// One line of the host's: the names of the adapters, a request, or the end.
    private struct Line: Decodable {
        let adapters: [String]?
        let at: Int64?
        let adapter: String?
        let prompt: Int?
        let output: Int?
        let end: String?
        let requests: Int?
        let leftOut: Int?
        let tenant: Int?
        let weight: Double?
        let target: Int64?
        let most: Int?
        let firstToken: Int64?
        let latency: Int64?

        var observation: RequestObservation {
            var seen = RequestObservation()
            seen.tenant = tenant
            seen.weight = weight
            seen.target = target.map { .nanoseconds($0) }
            seen.mostTokens = most
            seen.firstToken = firstToken.map { .nanoseconds($0) }
            seen.latency = latency.map { .nanoseconds($0) }
            if case .flag(true)? = unfinished { seen.isUnfinished = true }
            return seen
        }

        /// How many at the end, or whether the request of the line is one.
        let unfinished: Unfinished?

        enum Unfinished: Decodable {
            case count(Int)
            case flag(Bool)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let flag = try? container.decode(Bool.self) {
                    self = .flag(flag)
                } else {
                    self = .count(try container.decode(Int.self))
                }
            }

            var count: Int? { if case .count(let count) = self { count } else { nil } }
        }
    }

    struct End {
        let reason: String
        let requests: Int
        let leftOut: Int
        let unfinished: Int

        func text(adapters: [String]) -> String {
            var text = "\(HumanText.counted(requests, "request")): \(reason)"
            if leftOut > 0 { text += "; \(leftOut) failed or were given up and are left out" }
            if unfinished > 0 { text += "; \(unfinished) had not ended and are left out" }
            let names = adapters.enumerated().map { "\($0.offset) \($0.element)" }
            return text + "\nadapters: " + (names + ["-1 the base"]).joined(separator: ", ")
        }
    }

    private let path: String?
    private var file: FileHandle?

    /// By index; those that were added while it was recorded come last.
    private(set) var adapters: [String] = []

    /// Whether requests are kept instead of being written.
    var isKept = false
    private(set) var requests: [ObservedRequest] = []
    private var indices: [String: Int] = [:]
    private(set) var end: End?

    init(path: String?) { self.path = path }

    /// Takes all that the host answers.
    mutating func take(_ target: String, from client: AdminClient) throws -> End {
        var rest = Data()
        try client.get(target, within: nil) { piece in
            rest.append(piece)
            var start = rest.startIndex
            while let end = rest[start...].firstIndex(of: 0x0A) {
                try take(Data(rest[start..<end]))
                start = end + 1
            }
            rest = Data(rest[start...])
        }
        guard let end else { throw fail("the recording was cut off") }
        return end
    }

    /// The file is made when the host has agreed, which the first line says.
    private mutating func take(_ bytes: Data) throws {
        guard let line = try? JSONDecoder().decode(Line.self, from: bytes) else {
            throw fail("the host is of another version: \(String(decoding: bytes, as: UTF8.self))")
        }
        if let names = line.adapters {
            for name in names { _ = index(of: name) }
            guard !isKept else { return }
            file = try opened()
            try write(Workloads.TraceLine.header)
        } else if let reason = line.end {
            end = End(
                reason: reason, requests: line.requests ?? 0, leftOut: line.leftOut ?? 0,
                unfinished: line.unfinished?.count ?? 0)
        } else if let at = line.at, let prompt = line.prompt, let output = line.output {
            let request = PlannedRequest(
                arrival: .nanoseconds(at), adapter: line.adapter.map { index(of: $0) } ?? -1,
                promptTokens: prompt, outputTokens: output)
            let observed = ObservedRequest(request, line.observation)
            guard !isKept else { return requests.append(observed) }
            try write(Workloads.TraceLine.text(of: observed))
        }
    }

    private func opened() throws -> FileHandle {
        guard let path else { return .standardOutput }
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else { throw fail("cannot write \(path): \(String(cString: strerror(errno)))") }
        return file
    }

    private mutating func index(of name: String) -> Int {
        if let index = indices[name] { return index }
        indices[name] = adapters.count
        adapters.append(name)
        return adapters.count - 1
    }

    private func write(_ line: String) throws {
        do {
            try file?.write(contentsOf: Data((line + "\n").utf8))
        } catch {
            throw fail("cannot write \(path ?? "standard output"): \(error.localizedDescription)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

/// Gives a suite one server, which must also end well.
struct Serving: SuiteTrait, TestScoping {
    @TaskLocal static var server: BurrowProcess?

    let manifest: ServedManifest

    func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        let server = try await BurrowProcess.start(manifest)
        try await Self.$server.withValue(server) { try await function() }
        try await server.stop()
    }
}

extension Trait where Self == Serving {
    static func serving(_ manifest: ServedManifest = ServedManifest()) -> Serving {
        Serving(manifest: manifest)
    }
}

/// Asks a server, one connection for each question.
struct Client: Sendable {
    let port: Int

    init(_ server: BurrowProcess) { port = server.port }

    /// The server of the suite that runs.
    static var ofSuite: Client {
        get throws { Client(try #require(Serving.server)) }
    }

    func get(_ path: String) async throws -> WireReply {
        try await onThread { [port] in try WireConnection(port: port).get(path) }
    }

    func post(_ path: String, _ json: JSON, headers: [String] = []) async throws -> WireReply {
        try await onThread { [port] in
            try WireConnection(port: port).post(path, json, headers: headers)
        }
    }

    /// Opens a stream and reads its head.
    func stream(
        _ path: String, _ json: JSON, receiveBuffer: Int32? = nil
    ) async throws -> EventStream {
        try await onThread { [port] in
            let connection = try WireConnection(port: port, receiveBuffer: receiveBuffer)
            return try EventStream(connection, path, json)
        }
    }

    /// The sum of a metric over the series with `labels`; 0 without such a series.
    func metric(_ name: String, _ labels: [String: String] = [:]) async throws -> Double {
        try ExpositionCheck(await get("/metrics").body).samples.reduce(0) { sum, sample in
            let isOne =
                sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
            return isOne ? sum + sample.value : sum
        }
    }
}

extension EventStream {
    func nextEvent() async throws -> JSON? { try await onThread { try self.next() } }

    /// Reads past the first events; a chat opens with one for each choice, before anything runs.
    func skip(_ count: Int) async throws {
        try await onThread { for _ in 0..<count { _ = try self.next() } }
    }

    func allEvents() async throws -> [JSON] { try await onThread { try self.all() } }
}

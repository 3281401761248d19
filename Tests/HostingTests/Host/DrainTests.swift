// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// How the process ends.
struct DrainTests {
    private func isRefused(_ port: Int) async throws -> Bool {
        try await onThread {
            do {
                _ = try WireConnection(port: port)
                return false
            } catch let fault as WireFault where fault.isRefused {
                return true
            }
        }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func anOpenStreamEndsWellWhileNewConnectionsAreRefused(_ signal: Int32) async throws {
        let server = try await BurrowProcess.start(ServedManifest())
        let stream = try await Client(server).stream(
            "/v1/chat/completions",
            SampleModel.longChat("roman", choices: 4, ["return_token_ids": true]))
        var events: [JSON] = []
        for _ in 0..<10 { events.append(try #require(try await stream.nextEvent())) }
        server.signal(signal)
        try await eventually("new connections are refused") { try await isRefused(server.port) }
        events += try await stream.allEvents()
        #expect(stream.isDone)
        let tokens = events.flatMap { $0["choices"].list }.flatMap { $0["token_ids"].integers }
        #expect(tokens.count == 4 * 480)
        let result = try await server.end()
        #expect(result.status == 0)
        #expect(result.errors.hasSuffix("drained\n"), "\(result.errors)")
    }

    @Test func aConnectionThatIsOpenIsToldThatItIsTooLate() async throws {
        // On a busy machine the rest of the header comes late.
        let server = try await BurrowProcess.start(ServedManifest(limits: ["headerTimeout: 10m"]))
        let stream = try await Client(server).stream(
            "/v1/chat/completions", SampleModel.longChat("roman", choices: 4))
        _ = try await stream.nextEvent()
        let port = server.port
        let waiting = try await onThread {
            let connection = try WireConnection(port: port)
            try connection.send("GET /health HTTP/1.1\r\n")
            return connection
        }
        _ = try await Client(server).get("/health")
        server.signal(SIGTERM)
        try await eventually("new connections are refused") { try await isRefused(port) }
        let reply = try await onThread {
            try waiting.send("Host: a\r\n\r\n")
            return try waiting.reply()
        }
        #expect(reply.status == 503)
        #expect(reply.head["connection"] == "close")
        _ = try await stream.allEvents()
        #expect(try await server.end().status == 0)
    }

    @Test func theTimeoutCutsOffWhatIsNotFinished() async throws {
        let (result, _) = try await drainUnderway(["drainTimeout: 50ms"]) { _ in }
        #expect(result.status == 0)
        #expect(result.errors.contains("128 requests were cut off"), "\(result.errors)")
    }

    @Test func aSecondSignalEndsAtOnce() async throws {
        let (result, _) = try await drainUnderway([]) { server in
            try await eventually("it drains") { server.log.contains("draining") }
            server.signal(SIGTERM)
        }
        #expect(result.status == 0)
    }

    /// How a host ends that is told to while it generates 128 choices, and the rest of their stream.
    ///
    /// A busy machine may have generated them all before the signal comes, or before the limit: then
    /// another host is told. One that never cuts anything off is an error in the end.
    private func drainUnderway(
        _ options: [String], then: (BurrowProcess) async throws -> Void
    ) async throws -> (CommandResult, String) {
        for _ in 0..<20 {
            let server = try await BurrowProcess.start(
                ServedManifest(server: options, replicas: ["memory: 256MiB", "maxBatch: 128"]))
            let stream = try await Client(server).stream(
                "/v1/chat/completions", SampleModel.longChat("roman", choices: 128))
            try await stream.skip(128 + 20)
            server.signal(SIGTERM)
            try await then(server)
            let events = try await onThread { try stream.rest() }
            let result = try await server.end()
            let hadEnded = result.errors.contains("draining: 0 requests")
            if !hadEnded, !events.contains("[DONE]") { return (result, events) }
        }
        throw WireFault.deadline("a drain before the end of all requests")
    }

    @Test func anAddressInUseIsAnErrorOfTheMachine() async throws {
        let server = try await BurrowProcess.start(ServedManifest())
        let folder = try TestFolder()
        let manifest = try folder.write("manifest.yaml", ServedManifest().text)
        let second = try await run(
            Built.burrow, ["serve", manifest, "--listen", "127.0.0.1:\(server.port)"], in: folder)
        #expect(second.status == 1)
        #expect(second.errors.contains("cannot listen on 127.0.0.1:\(server.port)"))
        try await server.stop()
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPServing
import Logging
import Synchronization
import Testing

@testable import Hosting

/// The log as JSON, and what it says of requests.
@Suite struct LoggingTests {
    @Test(arguments: [
        (0.0, "1970-01-01T00:00:00.000Z"), (951_782_400.0625, "2000-02-29T00:00:00.062Z"),
        (1_767_323_045.5, "2026-01-02T03:04:05.500Z"),
        (253_402_300_799, "9999-12-31T23:59:59.000Z"),
    ])
    func timesAreRFC3339(_ seconds: Double, _ text: String) {
        #expect(JSONLogLine.text(of: Date(timeIntervalSince1970: seconds)) == text)
    }

    @Test func linesAreObjectsWithTheirMetadata() throws {
        let lines = Mutex<[[UInt8]]>([])
        var log = Logger(label: "test") { _ in
            JSONLogHandler { line in lines.withLock { $0.append(line) } }
        }
        log.logLevel = .debug
        log[metadataKey: "request"] = "a"
        log.debug(
            "a \"quoted\"\nline",
            metadata: [
                "status": .stringConvertible(200), "milliseconds": .stringConvertible(1.5),
                "cut": .stringConvertible(true), "level": "mine", "list": ["x", ["k": "v"]],
            ])
        log.trace("not written")
        let line = try #require(lines.withLock { $0.count == 1 ? $0[0] : nil })
        #expect(line.last == 0x0A && line.count { $0 == 0x0A } == 1)
        let json = try JSON(parsing: String(decoding: line, as: UTF8.self))
        #expect(json["level"] == "debug" && json["message"] == "a \"quoted\"\nline")
        #expect(json["request"] == "a" && json["status"] == 200 && json["cut"] == true)
        #expect(json["milliseconds"] == 1.5 && json["metadata.level"] == "mine")
        #expect(json["list"].list.count == 2)
    }

    @Test(arguments: [
        ("abc-1", "abc-1"), ("~!\"#", "~!\"#"),
        (String(repeating: "x", count: 129), nil), ("", nil), ("two words", nil), ("é", nil),
        ("a\tb", nil),
    ])
    func identifiersOfClientsAreTakenWhereTheyCanBe(_ sent: String, _ taken: String?) {
        var headers: HTTPHeaders = [:]
        headers.append("X-Request-Id", sent)
        let request = HTTPRequest(method: "GET", path: "/", headers: headers)
        #expect(RequestRecord.identifier(of: request) == taken)
    }

    @Test func eachRequestHasItsLineAndItsIdentifier() async throws {
        let server = try await BurrowProcess.start(
            ServedManifest(), arguments: ["--log-format", "json", "--log-level", "debug"])
        let client = Client(server)
        let body = SampleModel.chat("roman", "Write 47 as a Roman numeral.")
        let good = try await client.post(
            "/v1/chat/completions", body, headers: ["X-Request-Id: mine"])
        #expect(good.head["x-request-id"] == "mine")
        let bad = try await client.post("/v1/chat/completions", ["model": "nobody"])
        let made = try #require(bad.head["x-request-id"])
        #expect(made.hasPrefix("req-"))
        let stream = try await client.stream(
            "/v1/chat/completions", SampleModel.chat("roman", "Write 8.", ["stream": true]))
        _ = try await stream.allEvents()
        server.signal(SIGTERM)
        let result = try await server.end()
        #expect(result.status == 0)
        let lines = try result.errors.split(separator: "\n").map { try JSON(parsing: String($0)) }
        #expect(lines.allSatisfy { $0["time"].text?.hasSuffix("Z") == true })
        let requests = lines.filter { $0["message"] == "request" }
        #expect(requests.count == 3)
        let first = try #require(requests.first { $0["request"] == "mine" })
        #expect(first["status"] == 200 && first["model"] == "roman" && first["method"] == "POST")
        #expect(first["route"] == "/v1/chat/completions")
        #expect((first["milliseconds"].number ?? 0) > 0)
        let second = try #require(requests.first { $0["request"] == .text(made) })
        #expect(second["status"] != 200 && second["error"].text?.isEmpty == false)
    }

    @Test func faultsOfTheStartAreLinesToo() async throws {
        let folder = try TestFolder()
        let manifest = try folder.write("m.yaml", "apiVersion: burrow/v1\nkind: Hots\n")
        let result = try await run(Built.burrow, ["serve", manifest, "--log-format", "json"])
        #expect(result.status == 78)
        let lines = try result.errors.split(separator: "\n").map { try JSON(parsing: String($0)) }
        #expect(lines.count > 1)
        #expect(
            lines.contains { $0["message"].text?.contains("m.yaml:2:7: error: kind:") == true },
            "\(result.errors)")
    }
}

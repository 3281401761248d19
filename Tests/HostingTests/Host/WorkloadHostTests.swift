// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Requests of a running host, recorded as a trace and replayed.
struct WorkloadHostTests {
    private static let command = ["trace", "workload"]

    @Test func recordedRequestsAreATraceThatCanBeReplayed() async throws {
        let folder = try TestFolder()
        let server = try await BurrowProcess.start(ServedManifest())
        let port = server.port
        let listener = try await TraceListener.start(
            server, ["--requests", "8"], command: Self.command)
        // The first of all takes longest: none behind it may be written before.
        let lengths = [64, 3, 5, 7, 3, 5, 7, 9]
        let requests = lengths.enumerated().map { ($1, ["roman", "sample", "french"][$0 % 3]) }
        let statuses = try await allAtOnce(requests) { length, model in
            let body = SampleModel.chat(
                model, "Write 47 as a Roman numeral.",
                ["max_tokens": .number(Double(length)), "ignore_eos": true])
            return try WireConnection(port: port).post("/v1/chat/completions", body).status
        }
        #expect(statuses.allSatisfy { $0 == 200 })
        let recorded = try await listener.end()
        #expect(recorded.status == 0, "\(recorded.errors)")
        #expect(
            recorded.errors.contains("8 requests: 8 requests are recorded"), "\(recorded.errors)")
        #expect(recorded.errors.contains("-1 the base"), "\(recorded.errors)")
        try await server.stop()

        let lines = recorded.output.split(separator: "\n").map(String.init)
        #expect(lines.first == #"{"format":"burrow-trace/1"}"#)
        let traced = try lines.dropFirst().map { try JSON(parsing: $0) }
        let arrivals = traced.compactMap { $0["at"].integer }
        #expect(arrivals.count == 8 && arrivals == arrivals.sorted())
        #expect(traced.compactMap { $0["output"].integer }.sorted() == lengths.sorted())
        #expect(Set(traced.compactMap { $0["adapter"].integer }).count == 3)
        #expect(!recorded.output.contains("Roman"), "no text of prompts")

        let trace = try folder.write("trace.jsonl", recorded.output)
        let simulated = try await run(
            Built.burrow,
            [
                "simulate", try folder.write("host.yaml", ServedManifest().text), "--trace", trace,
                "--adapters", "8", "--json",
            ], in: folder)
        #expect(simulated.status == 0, "\(simulated.errors)")
    }

    @Test func whatEndedOtherwiseIsCounted() async throws {
        let folder = try TestFolder()
        let server = try await BurrowProcess.start(ServedManifest())
        let port = server.port
        let listener = try await TraceListener.start(server, [], command: Self.command)
        let socket = ["--socket", server.adminSocket]
        let second = try await run(Built.burrow, Self.command + socket, in: folder)
        #expect(second.status == 1 && second.errors.contains("already"), "\(second.errors)")
        let wrong = try await run(
            Built.burrow, Self.command + socket + ["--seconds", "0"], in: folder)
        #expect(wrong.errors.contains("seconds is a number from 1 to 86400"), "\(wrong.errors)")
        let body = SampleModel.chat("roman", "Write 9.", ["max_tokens": 4, "n": 2])
        let status = try await onThread {
            try WireConnection(port: port).post("/v1/chat/completions", body).status
        }
        #expect(status == 200)
        server.signal(SIGTERM)
        let ended = try await listener.end()
        #expect(ended.status == 0, "\(ended.errors)")
        #expect(ended.errors.contains("1 request: the host ends"), "\(ended.errors)")
        #expect(ended.output.split(separator: "\n").count == 3, "a line for each choice")
        #expect(try await server.end().status == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What a change would make of the requests that a host had, as people ask for it.
struct PredictCommandTests {
    @Test func theRequestsOfAHostAreServedAgain() async throws {
        let folder = try TestFolder()
        let server = try await BurrowProcess.start(ServedManifest())
        let port = server.port
        let lengths = [3, 5, 7, 3, 5, 7, 9, 4, 6, 8]
        let statuses = try await allAtOnce(lengths) { length in
            let body = SampleModel.chat(
                "roman", "Write 47 as a Roman numeral.",
                ["max_tokens": .number(Double(length)), "ignore_eos": true])
            return try WireConnection(port: port).post("/v1/chat/completions", body).status
        }
        #expect(statuses.allSatisfy { $0 == 200 })
        let recorded = try await run(
            Built.burrow,
            ["trace", "workload", "--recent", "t.jsonl", "--socket", server.adminSocket],
            in: folder)
        #expect(recorded.status == 0, "\(recorded.errors)")
        let live = try folder.write("live.yaml", ServedManifest().text)
        let other = try folder.write(
            "other.yaml",
            ServedManifest(replicas: ["memory: 256MiB", "maxBatch: 1"]).text)
        let asked = try await run(
            Built.burrow,
            ["predict", live, other, "--socket", server.adminSocket, "--costs", "a800"], in: folder)
        #expect(asked.status == 0, "\(asked.errors)")
        #expect(asked.output.contains("requests      10; completed: 10 live, 10 with"))
        try await server.stop()

        let trace = try String(contentsOfFile: "\(folder.path)/t.jsonl", encoding: .utf8)
        let lines = try trace.split(separator: "\n").dropFirst().map {
            try JSON(parsing: String($0))
        }
        #expect(lines.compactMap { $0["output"].integer }.sorted() == lengths.sorted())
        #expect(lines.allSatisfy { ($0["latency"].integer ?? 0) > 0 })
        #expect(lines.allSatisfy { ($0["firstToken"].integer ?? 0) > 0 })
        #expect(!trace.contains("Roman"), "no text of prompts")

        let simulated = try await run(
            Built.burrow, ["simulate", live, "--trace", "t.jsonl", "--json"], in: folder)
        #expect(simulated.status == 0, "a trace with observations is one: \(simulated.errors)")
    }

    private static let trace = """
        {"format":"burrow-trace/1"}
        {"at":0,"adapter":0,"prompt":16,"output":8,"firstToken":25600000,"latency":200000000}
        {"at":0,"adapter":1,"prompt":16,"output":8,"firstToken":52000000,"latency":226000000}
        {"at":1000000,"adapter":0,"prompt":16,"output":8}
        """

    private static let costs = #"{"perStep": 0.02, "perPromptToken": 0.0001, "headShare": 0.1}"#

    private static func arguments(_ candidate: String) -> [String] {
        [
            "predict", "live.yaml", candidate, "--trace", "t.jsonl", "--costs", "costs.json",
            "--pages", "400", "--adapter-bytes", "1000", "--merged-copies", "0",
        ]
    }

    private func folder() throws -> TestFolder {
        let folder = try TestFolder()
        _ = try folder.write("t.jsonl", Self.trace)
        _ = try folder.write("costs.json", Self.costs)
        _ = try folder.write("live.yaml", ServedManifest().text)
        _ = try folder.write(
            "other.yaml", ServedManifest(replicas: ["memory: 256MiB", "maxBatch: 1"]).text)
        return folder
    }

    @Test func aChangeIsComparedWithWhatIs() async throws {
        let folder = try folder()
        let result = try await run(
            Built.burrow, Self.arguments("other.yaml") + ["--json"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSON(parsing: result.output)
        #expect(report["requests"]["simulated"] == 3)
        #expect(report["requests"]["withoutLatency"] == 1)
        let metrics = report["metrics"].list
        let latency = try #require(metrics.first { $0["name"] == "latencyP99" })
        let (before, after) = (latency["live"].number ?? 0, latency["candidate"].number ?? 0)
        #expect(before > 0 && after > 1.5 * before, "one at a time they wait for each other")
        #expect(metrics.allSatisfy { $0["trust"].text != nil })

        let same = try await run(Built.burrow, Self.arguments("live.yaml"), in: folder)
        #expect(same.output.contains("not recorded  the latency of 1 request"), "\(same.output)")
        #expect(!same.output.contains("+"), "nothing changes: \(same.output)")
    }

    @Test func whatTheSimulatorGetsWrongIsNotShown() async throws {
        let folder = try folder()
        _ = try folder.write("costs.json", #"{"perStep": 0.5}"#)
        let result = try await run(Built.burrow, Self.arguments("other.yaml"), in: folder)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("calibration   off by"), "\(result.output)")
        let rows = result.output.split(separator: "\n").filter { $0.hasPrefix("latency, p") }
        #expect(rows.count == 2 && rows.allSatisfy { $0.hasSuffix("not trustworthy") })
    }

    @Test func wrongFilesAreTold() async throws {
        let folder = try folder()
        _ = try folder.write("t.jsonl", Self.trace + "\n" + #"{"at":2,"prompt":1,"output":1}"#)
        let unsorted = try await run(Built.burrow, Self.arguments("other.yaml"), in: folder)
        #expect(unsorted.status == 1 && unsorted.errors.contains("t.jsonl:5"), "\(unsorted.errors)")
        _ = try folder.write(
            "t.jsonl", Self.trace.replacing("\"latency\":2", with: "\"latency\":-2"))
        let negative = try await run(Built.burrow, Self.arguments("other.yaml"), in: folder)
        #expect(negative.errors.contains("'latency' is"), "\(negative.errors)")
        _ = try folder.write("t.jsonl", Self.trace)
        let missing = try await run(Built.burrow, Self.arguments("nothing.yaml"), in: folder)
        #expect(missing.status == 78, "\(missing.errors)")
    }
}

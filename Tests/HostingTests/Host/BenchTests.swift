// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// `burrow bench URL` against `burrow serve` of the sample model.
@Suite(.serving())
struct BenchTests {
    private func bench(_ arguments: [String], in folder: TestFolder) async throws -> CommandResult {
        let server = try #require(Serving.server)
        return try await run(
            Built.burrow, ["bench", "http://127.0.0.1:\(server.port)"] + arguments, in: folder)
    }

    private func json(_ name: String, in folder: TestFolder) throws -> JSON {
        try JSON(parsing: String(contentsOfFile: "\(folder.path)/\(name)", encoding: .utf8))
    }

    /// 30 requests for each of two seeds, to a server that nobody else asks.
    @Test func aRunCountsWhatTheServerCounts() async throws {
        let folder = try TestFolder()
        let server = try await BurrowProcess.start(ServedManifest())
        let result = try await run(
            Built.burrow,
            [
                "bench", "http://127.0.0.1:\(server.port)",
                "--rate", "100", "--requests", "30", "--seeds", "1,2", "--arrivals", "gamma:2",
                "--popularity", "distinct", "--lengths", "uniform:8-24/2-12", "--slo", "e2e:1m",
                "--json", "report.json", "--svg", "report.svg", "--record", "outcomes.jsonl",
                "--label", "sample",
            ], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("sample: 60 of 60 requests completed, seeds 1, 2"))
        #expect(result.output.contains("within e2e:60.0s: 100 ± 0 % of all requests"))

        let report = try json("report.json", in: folder)
        #expect(report["seeds"].integers == [1, 2] && report["schema"].integer == 1)
        #expect(report["runs"].list.map { $0["completed"].integer } == [30, 30])
        for name in ["arrivals", "popularity", "lengths", "rate", "requests", "url", "slo"] {
            #expect(report["workload"][name].text != nil, "\(name)")
        }
        for name in ["ttft_p99", "tpot_mean", "e2e_p50", "normalised_by_tokens", "slo_attainment"] {
            #expect(report["summary"][name]["values"].list.count == 2, "\(name)")
        }
        #expect(report["origin"]["version"].text != nil)

        let lines = try String(contentsOfFile: "\(folder.path)/outcomes.jsonl", encoding: .utf8)
            .split(separator: "\n").map { try JSON(parsing: String($0)) }
        #expect(lines.count == 60)
        func sum(_ name: String, of model: String) -> Int {
            lines.filter { $0["model"].text == model }.reduce(0) { $0 + ($1[name].integer ?? 0) }
        }
        let client = Client(server)
        for model in SampleModel.adapters {
            let tokens = try await client.metric(
                "burrow:adapter_generation_tokens_total", ["adapter": model])
            #expect(Double(sum("output_tokens", of: model)) == tokens, "\(model)")
            #expect(sum("output_tokens", of: model) > 0, "\(model)")
            #expect(
                sum("output_tokens", of: model) == sum("requested_tokens", of: model), "\(model)")
        }
        let svg = try String(contentsOfFile: "\(folder.path)/report.svg", encoding: .utf8)
        #expect(svg.hasPrefix("<svg") && svg.contains("Time to first token"))

        let both = try await run(
            Built.burrow,
            ["bench", "--compare", "report.json", "report.json", "--svg", "both.svg"], in: folder)
        #expect(both.status == 0 && both.output.contains("ttft_p99"), "\(both.errors)")
        #expect(FileManager.default.fileExists(atPath: "\(folder.path)/both.svg"))
        try await server.stop()
    }

    @Test(arguments: [
        ["--endpoint", "chat"], ["--prompts", "text"], ["--concurrency", "3"],
        ["--models", "roman,french", "--base", "shout"], ["--adapters", "0"], ["--no-ignore-eos"],
    ])
    func everyWayToAskIsAnswered(_ arguments: [String]) async throws {
        let result = try await bench(
            ["--requests", "8", "--rate", "100", "--lengths", "12/3", "--json", "-"] + arguments,
            in: try TestFolder())
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSON(parsing: result.output)
        #expect(report["runs"][0]["completed"].integer == 8, "\(result.output)")
    }

    @Test func controlCReportsWhatThereIs() async throws {
        let server = try await BurrowProcess.start(ServedManifest())
        let folder = try TestFolder()
        let child = try ChildProcess(
            Built.burrow,
            [
                "bench", "127.0.0.1:\(server.port)", "--rate", "20", "--requests", "100000",
                "--json", "report.json",
            ], in: folder)
        try await eventually("answers to the run") {
            try await Client(server).metric("vllm:request_success_total") > 5
        }
        child.signal(SIGINT)
        let result = try await onThread { try child.end() }
        #expect(result.status == 1, "\(result.errors)")
        #expect(result.output.contains("seed 1, interrupted"))
        let report = try json("report.json", in: folder)
        #expect(report["isInterrupted"] == true)
        #expect(report["runs"][0]["completed"].integer ?? 0 > 0)
        try await server.stop()
    }

    @Test(arguments: [
        (["--models", "romen"], 1, "did you mean 'roman'?"),
        (["--adapters", "9"], 1, "has 8 adapters"),
        (["--arrivals", "sometimes"], 1, "poisson"),
        (["--lengths", "trace:/nowhere"], 1, "/nowhere"),
        (["--slo", "ttft:soon"], 64, "ttft:500ms"),
        (["--rate", "0"], 64, "--rate"),
        (["--requests", "3", "--duration", "3s"], 64, "not both"),
        (["--kernels"], 64, "say what to measure"),
        (["--endpoint", "chat", "--prompts", "ids"], 64, "text prompts"),
    ])
    func faultsAreToldBeforeAnythingIsSent(
        _ arguments: [String], _ status: Int32, _ words: String
    ) async throws {
        let result = try await bench(arguments, in: try TestFolder())
        #expect(result.status == status, "\(result.errors)")
        #expect(result.errors.contains(words), "\(result.errors)")
    }

    @Test func requestsThatAllFailAreAFailure() async throws {
        let result = try await bench(
            ["--requests", "4", "--rate", "100", "--vocabulary", "1000000"], in: try TestFolder())
        #expect(result.status == 1)
        #expect(result.output.contains("failed: 4 status 400"), "\(result.output)")
    }

    @Test func aKeyComesFromAFile() async throws {
        let folder = try TestFolder()
        let keys = try folder.write("keys.txt", "user: secret-of-ours\n")
        let server = try await BurrowProcess.start(
            ServedManifest(server: ["apiKeys: {file: \(keys)}"]))
        let address = "127.0.0.1:\(server.port)"
        let arguments = ["bench", address, "--requests", "2", "--rate", "100"]
        let without = try await run(Built.burrow, arguments, in: folder)
        #expect(without.status == 1 && without.errors.contains("BURROW_API_KEY"))
        try folder.write("key", "secret-of-ours\n")
        let with = try await run(Built.burrow, arguments + ["--api-key-file", "key"], in: folder)
        #expect(with.status == 0, "\(with.errors)")
        try await server.stop()
    }
}

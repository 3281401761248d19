// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// `burrow train`, a few steps of it over the sample model.
struct TrainCommandTests {
    private static let steps = ["--steps", "3", "--batch", "4", "--evaluate-every", "2"]

    private func train(_ arguments: [String], in folder: TestFolder) async throws
        -> CommandResult
    {
        try await run(Built.burrow, ["train"] + arguments, in: folder)
    }

    /// Examples of two tasks, few enough for a test.
    private func writeExamples(to folder: TestFolder) throws -> [String] {
        let lines = try ["roman", "date"].flatMap { task in
            try Built.text("Samples/eval/\(task).jsonl").split(separator: "\n").prefix(6)
        }
        let path = try folder.write("examples.jsonl", lines.joined(separator: "\n"))
        return ["--data", path, "--dev", path]
    }

    @Test func aGateIsTrainedForTheExpertsOfAMixture() async throws {
        let folder = try TestFolder()
        let examples = try writeExamples(to: folder)
        let manifest = try folder.write(
            "m.yaml",
            """
            apiVersion: burrow/v1
            kind: Host
            metadata: {name: train}
            spec:
              model: {path: \(Built.samples)/model}
              adapters: [{directory: \(Built.samples)/adapters}]
              mixtures: [{name: two, experts: [roman, date]}]
            """)
        let result = try await train(
            ["gate", manifest, "--mixture", "two", "--output", "gate", "--json"] + examples
                + Self.steps, in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSON(parsing: result.output)
        #expect(report["steps"].number == 3)
        let text = try String(
            contentsOfFile: "\(folder.path)/gate/mole_config.json", encoding: .utf8)
        let configuration = try JSON(parsing: text)
        #expect(configuration["experts"].list.map { $0["name"].text } == ["roman", "date"])
        #expect(configuration["experts"][0]["sha256"].text?.count == 64)
        let files = FileManager.default
        #expect(files.fileExists(atPath: "\(folder.path)/gate/mole_gate.safetensors"))

        let unknown = try await train(
            ["gate", manifest, "--mixture", "tow", "--output", "gate"] + examples, in: folder)
        #expect(unknown.status == 1)
        #expect(unknown.errors.contains("there is no mixture 'tow'; known are two"))
    }

    /// One training, written as files of both kinds, which two policies read alike.
    @Test(arguments: [
        ["--granularity", "blocks-at-once"], ["--granularity", "network", "--hidden", "3"],
    ])
    func aClassifierOfXLoRAWeighsAsTheGateItIs(_ shape: [String]) async throws {
        let folder = try TestFolder()
        let gate =
            [
                "gate", "\(Built.samples)/model", "--adapters", "\(Built.samples)/adapters",
                "--reading", "final-hidden", "--pooling", "token", "--normalisation", "none",
                "--learning-rate", "0.3",
            ] + shape + Self.steps + (try writeExamples(to: folder))
        for format in ["mole", "x-lora"] {
            let result = try await train(
                gate + ["--experts", "date,roman", "--format", format, "--output", format],
                in: folder)
            #expect(result.status == 0, "\(result.errors)")
        }
        let manifest = ServedManifest(
            adapters: ["date", "roman"].map {
                "{name: \($0), path: \(Built.samples)/adapters/\($0)}"
            },
            plugins: [
                "instances: ["
                    + ["mole", "x-lora"].map {
                        "{name: \($0), type: \($0)-gate, parameters: {gate: \(folder.path)/\($0)}}"
                    }.joined(separator: ", ") + "]"
            ],
            spec: ["mixtures:"]
                + ["mole", "x-lora"].map {
                    "  - {name: \($0), experts: [date, roman], gating: \($0)}"
                })
        let path = try folder.write("manifest.yaml", manifest.text)
        var weights: [[Double]] = []
        for mixture in ["mole", "x-lora"] {
            let result = try await run(
                Built.burrow,
                ["explain-gate", path, "Write 50 as a Roman numeral.", "--mixture", mixture]
                    + ["--json", "--chat", "--max-tokens", "4"], in: folder)
            #expect(result.status == 0, "\(result.errors)")
            weights.append(
                try JSON(parsing: result.output)["depths"].list.flatMap {
                    $0["weights"].list.flatMap { $0.list.compactMap(\.number) }
                })
        }
        #expect(weights[0].count == weights[1].count)
        #expect(weights[0].contains { abs($0 - 0.5) > 0.05 }, "something was learnt")
        for (mole, classifier) in zip(weights[0], weights[1]) {
            #expect(abs(mole - classifier) < 1e-5)
        }
        let refused = try await train(
            gate + ["--experts", "roman,date", "--format", "x-lora", "--output", "x"], in: folder)
        #expect(refused.status == 1)
        #expect(refused.errors.contains("give them as date,roman"))
    }

    @Test func anAdapterIsTrainedThatLoads() async throws {
        let folder = try TestFolder()
        let examples = try writeExamples(to: folder)
        let arguments =
            ["adapter", "\(Built.samples)/model", "--rank", "2", "--output", "new"] + examples
        let result = try await train(arguments + Self.steps, in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let inspection = try await run(
            Built.burrow,
            ["adapter", "inspect", "\(folder.path)/new", "--base", "\(Built.samples)/model"])
        #expect(inspection.status == 0, "\(inspection.output)")
        let nothing = try await train(arguments + Self.steps + ["--resume"], in: folder)
        #expect(nothing.status == 1)
        #expect(nothing.errors.contains("checkpoint.safetensors"))
    }

    @Test(arguments: [
        ["gate", "m.yaml"], ["gate", "m.yaml", "--mixture", "a", "--experts", "b"],
        ["adapter", "model", "--targets", "x"],
    ])
    func wrongUsageIsTold(_ arguments: [String]) async throws {
        let folder = try TestFolder()
        let result = try await train(
            arguments + ["--data", "d", "--dev", "v", "--output", "o"], in: folder)
        #expect(result.status == 64)
    }

    @Test func aFileThatIsNotThereIsNamed() async throws {
        let folder = try TestFolder()
        let result = try await train(
            [
                "adapter", "\(Built.samples)/model", "--data", "/nowhere.jsonl", "--dev", "x",
                "--output", "o",
            ], in: folder)
        #expect(result.status == 1)
        #expect(result.errors.contains("/nowhere.jsonl"))
    }
}

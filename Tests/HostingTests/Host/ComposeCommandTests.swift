// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// `burrow compose`, and what it writes under `adapter inspect` and in a manifest.
struct ComposeCommandTests {
    private static let model = "\(Built.samples)/model"

    private static func adapter(_ name: String, _ weight: String = "") -> [String] {
        ["--adapter", "\(name)=\(Built.samples)/adapters/\(name)\(weight)"]
    }

    private func compose(
        _ arguments: [String], output: String = "made", in folder: TestFolder
    ) async throws -> CommandResult {
        try await run(
            Built.burrow,
            ["compose", "--base", Self.model, "--output", output] + arguments, in: folder)
    }

    private func few(_ task: String, count: Int, in folder: TestFolder) throws -> String {
        let lines = try Built.text("Samples/eval/\(task).jsonl").split(separator: "\n")
        return try folder.write("few.jsonl", lines.prefix(count).joined(separator: "\n"))
    }

    @Test(arguments: [
        "concatenate", "svd", "ties", "dare", "dare-ties", "magnitude-prune",
    ])
    func oneAdapterIsMadeOfTwo(method: String) async throws {
        let folder = try TestFolder()
        let result = try await compose(
            ["--method", method] + Self.adapter("roman") + Self.adapter("french", ":0.5")
                + ["--dtype", "bf16", "--json"], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSON(parsing: result.output)
        #expect(report["method"].text == method)
        #expect(report["sites"].list.count == 28)
        let inspected = try await run(
            Built.burrow, ["adapter", "inspect", "made", "--base", Self.model], in: folder)
        #expect(inspected.status == 0, "\(inspected.output)")
        #expect(inspected.output.contains("base        burrow-sample"))
        #expect(inspected.output.contains("stored as   BF16"))
        let isExact = method == "concatenate" || method == "svd"
        #expect(inspected.output.contains("ranks       \(isExact ? 16 : 8)\n"))
    }

    /// One adapter with weight 1 gives that adapter, whatever the method.
    @Test(arguments: [
        "concatenate", "svd", "ties", "dare", "dare-ties", "magnitude-prune", "lorahub",
        "regmean",
    ])
    func oneAdapterAnswersAsBefore(method: String) async throws {
        let folder = try TestFolder()
        var arguments = ["--method", method] + Self.adapter("roman", ":1")
        if method == "lorahub" || method == "regmean" {
            arguments += ["--data", try few("roman", count: 2, in: folder)]
        }
        let made = try await compose(arguments, in: folder)
        #expect(made.status == 0, "\(made.errors)")
        #expect(made.output.contains("ranks       8\n"))
        let manifest = try folder.write(
            "m.yaml",
            """
            apiVersion: burrow/v1
            kind: Host
            metadata: {name: composed}
            spec:
              model: {path: \(Self.model)}
              adapters: [{name: made, path: made}]
            """)
        let answer = try await run(
            Built.burrow,
            ["generate", manifest, "Write 48 as a Roman numeral.", "--model", "made"], in: folder)
        #expect(answer.output == "XLVIII\n", "\(answer.errors)")
    }

    @Test func weightsAreFoundByExamples() async throws {
        let folder = try TestFolder()
        let result = try await compose(
            ["--method", "lorahub"] + Self.adapter("roman") + Self.adapter("french")
                + [
                    "--data", try few("roman", count: 5, in: folder), "--evaluations", "40",
                    "--json",
                ],
            in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSON(parsing: result.output)
        #expect(report["search"]["evaluations"].number == 40)
        let (first, last) = (report["search"]["firstLoss"].number, report["search"]["loss"].number)
        #expect(last ?? .infinity < first ?? 0)
        let kept = try JSON(
            parsing: String(contentsOfFile: "\(folder.path)/made/composition.json", encoding: .utf8)
        )
        #expect(kept == report)
    }

    @Test func whatCannotBeComposedIsTold() async throws {
        let folder = try TestFolder()
        let other = "other=\(Built.goldens)/llama-tied-bf16/adapters/all-r8"
        let shapes = try await compose(
            ["--method", "svd", "--adapter", other] + Self.adapter("roman"), in: folder)
        #expect(shapes.status == 1 && shapes.errors.contains("trained for another model"))
        let missing = try await compose(
            ["--method", "svd", "--adapter", "none=nowhere:0.5"], in: folder)
        #expect(missing.status == 1 && missing.errors.contains("/nowhere/adapter_config.json"))
        let rank = try await compose(
            ["--method", "svd", "--rank", "5000"] + Self.adapter("roman"), in: folder)
        #expect(rank.status == 1 && rank.errors.contains("rank of 5000"))
        let data = try await compose(
            ["--method", "lorahub", "--data", "none.jsonl"] + Self.adapter("roman"), in: folder)
        #expect(data.status == 1 && data.errors.contains("none.jsonl"))
        let task = try await compose(
            ["--method", "regmean", "--data", try few("french", count: 2, in: folder)]
                + Self.adapter("roman"), in: folder)
        #expect(task.status == 1 && task.errors.contains("roman: there are no examples"))
        try folder.write("there/file", "")
        let there = try await compose(
            ["--method", "svd"] + Self.adapter("roman"), output: "there", in: folder)
        #expect(there.status == 1 && there.errors.contains("is there already"))
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/made"))
    }

    @Test(arguments: [
        [], ["--method", "svd"], ["--method", "mean"] + adapter("roman"),
        ["--method", "svd"] + adapter("roman") + adapter("roman"),
        ["--method", "svd", "--adapter", "roman"], ["--method", "svd", "--adapter", "roman=x:nan"],
        ["--method", "svd", "--density", "0.5"] + adapter("roman"),
        ["--method", "svd", "--data", "x"] + adapter("roman"),
        ["--method", "svd", "--evaluations", "3"] + adapter("roman"),
        ["--method", "svd", "--dtype", "int8"] + adapter("roman"),
        ["--method", "lorahub"] + adapter("roman"),
        ["--method", "lorahub", "--data", "x", "--examples", "0"] + adapter("roman"),
        ["--method", "lorahub", "--data", "x", "--correlation-share", "0.5"] + adapter("roman"),
        ["--method", "regmean", "--data", "x", "--correlation-share", "2"] + adapter("roman"),
    ])
    func wrongUsageIsTold(_ arguments: [String]) async throws {
        let folder = try TestFolder()
        let result = try await compose(arguments, in: folder)
        #expect(result.status == 64, "\(result.output)")
        #expect(result.errors.contains("Usage:") || result.errors.contains("--help"))
    }
}

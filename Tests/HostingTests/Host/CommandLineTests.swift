// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The commands beside `serve`.
struct CommandLineTests {
    private func burrow(_ arguments: String..., in folder: TestFolder? = nil) async throws
        -> CommandResult
    {
        try await run(Built.burrow, arguments, in: folder)
    }

    private static let tenMistakes = """
        apiVersion: burrow/v1
        kind: Hots
        metadata: {}
        spec:
          server: {listen: "::1:8080"}
          model: {path: ../model, dtype: int4}
          replcias: {count: 2}
          limits: {queue: 0, idleTimeout: 60}
          plugins:
            instances:
              - {name: orca, type: iteration-batching, parameters: {reserveOutput: perhaps}}
              - {name: merge, type: merge-only}
          pipeline: {batching: orac}
        """

    @Test func tenMistakesAreFoundInOneGo() async throws {
        let folder = try TestFolder()
        let manifest = try folder.write("m.yaml", Self.tenMistakes)
        let result = try await burrow("validate", manifest, in: folder)
        #expect(result.status == 78)
        let headlines = result.errors.split(separator: "\n").filter { $0.contains(": error: ") }
        #expect(headlines.count == 10, "\(result.errors)")
        let positions = headlines.compactMap { $0.wholeMatch(of: /.*?m\.yaml:(\d+:\d+): .*/)?.1 }
        #expect(Set(positions).count == 10)
        for name in ["Host", "replicas", "merged-only", "orca", "60s"] {
            #expect(result.errors.contains("did you mean '\(name)'?"), "\(name)")
        }
        let served = try await burrow("serve", manifest, in: folder)
        #expect(served.status == 78)
        #expect(served.errors == result.errors)
    }

    @Test func diagnosticsAreThereForPrograms() async throws {
        let folder = try TestFolder()
        let manifest = try folder.write("m.yaml", Self.tenMistakes)
        let result = try await burrow("validate", "--json", manifest, in: folder)
        #expect(result.status == 78)
        let faults = try JSON(parsing: result.output).list
        #expect(faults.count == 10)
        #expect(faults.allSatisfy { $0["message"].text != nil && $0["severity"] == "error" })
    }

    @Test func goodManifestsAreValidTogetherAndOneBadOneIsTold() async throws {
        let manifests = ["quickstart", "systems/orca", "systems/dlora"].map {
            "\(Built.repository)/Manifests/\($0).yaml"
        }
        let good = try await run(Built.burrow, ["validate"] + manifests)
        #expect(good.status == 0)
        #expect(good.output.split(separator: "\n").count == 3)
        let missing = try await run(Built.burrow, ["validate", "/nowhere.yaml"] + manifests)
        #expect(missing.status == 78)
        #expect(missing.errors.contains("/nowhere.yaml"))
    }

    @Test func oneQuestionNeedsNoServer() async throws {
        let manifest = "\(Built.repository)/Manifests/quickstart.yaml"
        let answer = try await burrow(
            "generate", manifest, "Write 48 as a Roman numeral.", "--model", "roman")
        #expect(answer.status == 0)
        #expect(answer.output == "XLVIII\n")
        #expect(answer.errors.isEmpty)
        let wrong = try await burrow("generate", manifest, "x", "--model", "romn")
        #expect(wrong.status == 78)
        #expect(wrong.errors.contains("Did you mean `roman`?"))
        let raw = try await burrow("generate", manifest, "roman 47", "--raw", "--max-tokens", "3")
        #expect(raw.status == 0 && !raw.output.isEmpty)
    }

    @Test func pluginsAreListedAndDescribed() async throws {
        let listed = try await burrow("plugin", "list", "--json")
        #expect(listed.status == 0, "\(listed.errors)")
        let types = try JSON(parsing: listed.output).list.compactMap { $0["type"].text }
        #expect(
            Set(types).isSuperset(of: [
                "fcfs-unmerged", "arrival-order", "least-pending", "lru", "merged-only",
                "iteration-batching",
            ]))
        let described = try await burrow("plugin", "describe", "iteration-batching", "--json")
        let policy = try JSON(parsing: described.output)
        #expect(policy["kind"] == "batching")
        #expect(policy["parameters"][0]["name"] == "reserveOutput")
        #expect(policy["origin"].text?.contains("libIterationBatching.so") == true)
        let text = try await burrow("plugin", "describe", "merged-only")
        #expect(text.status == 0 && text.output.contains("batching"))
        let unknown = try await burrow("plugin", "describe", "nothing")
        #expect(unknown.status == 1 && unknown.errors.contains("plugin list"))
    }

    @Test func goodAdaptersLoad() async throws {
        for adapter in SampleModel.adapters {
            let result = try await burrow(
                "adapter", "inspect", "\(Built.samples)/adapters/\(adapter)", "--base",
                "\(Built.samples)/model")
            #expect(result.status == 0)
            #expect(result.output.contains("loads       yes"))
        }
    }

    @Test(arguments: ["llama-tied-bf16", "qwen2-bias-tied"], ["bias", "dora", "save-head"])
    func badAdaptersAreToldApart(_ family: String, _ name: String) async throws {
        let path = "\(Built.goldens)/\(family)/refuse/\(name)"
        let text = try await burrow("adapter", "inspect", path)
        #expect(text.status == 1)
        #expect(text.output.contains("loads       no"))
        let json = try await burrow("adapter", "inspect", path, "--json")
        #expect(json.status == 1)
        let refusals = try JSON(parsing: json.output)["refusals"].list
        #expect(!refusals.isEmpty && refusals.allSatisfy { $0["message"].text != nil })
    }

    @Test func anAdapterOfAnotherShapeIsToldByItsBase() async throws {
        let adapter = "\(Built.goldens)/llama-tied-bf16/adapters/all-r8"
        #expect(try await burrow("adapter", "inspect", adapter).status == 0)
        let other = try await burrow(
            "adapter", "inspect", adapter, "--base", "\(Built.samples)/model")
        #expect(other.status == 1)
        let missing = try await burrow("adapter", "inspect", "/nowhere")
        #expect(missing.status == 1)
    }

    @Test func theSchemaIsJSONAndKnowsThePlugins() async throws {
        let result = try await burrow("schema")
        #expect(result.status == 0)
        let schema = try JSON(parsing: result.output)
        #expect(schema["$schema"].text != nil)
        #expect(result.output.contains("merged-only"))
    }

    @Test func keysAndTypesAreExplained() async throws {
        let key = try await burrow("explain", "spec.replicas.count")
        #expect(key.status == 0)
        #expect(key.output.contains("spec.replicas.count: a whole number from 1 to 64, default 1"))
        #expect(try await burrow("explain", "iteration-batching").output.contains("reserveOutput"))
        let wrong = try await burrow("explain", "spec.replicsa.count")
        #expect(wrong.status == 1)
        #expect(wrong.errors.contains("did you mean"))
    }

    @Test(arguments: [
        ["nonsense"], ["serve"], ["serve", "m.yaml", "--lisen", "x"], ["plugin", "nonsense"],
        ["generate", "m.yaml", "x", "--max-tokens", "0"], ["adapter", "inspect"],
        ["serve", "m.yaml", "--log-level", "loud"], ["bench"],
        ["bench", "--kernels", "--rows", "x"],
        ["bench", "--kernels", "--budget", "0"], ["bench", "--kernels", "--dtype", "f64"],
    ])
    func wrongUsageIsTold(_ arguments: [String]) async throws {
        let result = try await run(Built.burrow, arguments)
        #expect(result.status == 64)
        #expect(result.errors.contains("Usage:") || result.errors.contains("--help"))
    }

    @Test func kernelsAreMeasuredForPeopleAndPrograms() async throws {
        let arguments = [
            "bench", "--kernels", "--model", "\(Built.samples)/model", "--instruction-set",
            "portable", "--dtype", "bf16", "--threads", "2", "--rows", "1,3", "--budget", "1",
            "--working-set", "1",
        ]
        let json = try await run(Built.burrow, arguments + ["--json", "-"])
        #expect(json.status == 0, "\(json.errors)")
        let report = try JSON(parsing: json.output)
        #expect(report["limits"].list.count == 2)
        let kernels = Set(report["measurements"].list.compactMap { $0["kernel"].text })
        #expect(kernels.isSuperset(of: ["product", "shrink", "expand", "attend", "norm", "merge"]))
        let text = try await run(Built.burrow, arguments)
        #expect(text.status == 0 && text.output.contains("portable, 2 threads: "))
        let missing = try await run(Built.burrow, ["bench", "--kernels", "--model", "/nowhere"])
        #expect(missing.status == 1 && missing.errors.contains("/nowhere"))
    }

    @Test func stepsAreRecordedAsATrace() async throws {
        let folder = try TestFolder()
        let arguments = [
            "bench", "--timeline", "trace.json", "--model", "\(Built.samples)/model", "--threads",
            "2", "--batch", "3", "--adapters", "2", "--steps", "2",
        ]
        let result = try await run(Built.burrow, arguments, in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let events = try JSON(
            parsing: String(contentsOfFile: "\(folder.path)/trace.json", encoding: .utf8)
        )["traceEvents"].list
        #expect(events.filter { $0["name"] == "step" }.count == 2)
        let names = Set(events.compactMap { $0["name"].text })
        #expect(names.isSuperset(of: ["q/k/v", "shrink", "attention", "gate/up", "down", "head"]))
        let tooLong = try await run(Built.burrow, arguments + ["--context", "100000000"])
        #expect(tooLong.status == 1 && tooLong.errors.contains("context"))
    }

    @Test func theVersionIsThatOfTheServer() async throws {
        let version = try await burrow("--version")
        #expect(version.status == 0)
        #expect(version.output.contains(/^\d+\.\d+\.\d+\n$/))
    }
}

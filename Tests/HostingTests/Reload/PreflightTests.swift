// SPDX-License-Identifier: Apache-2.0

import Foundation
import LoopIO
import Testing

@testable import Hosting

/// What a trial finds, and what it dies of.
struct PreflightTests {
    private func fault(_ does: String, in folder: TestFolder) async throws -> String? {
        let plugins = try WaywardPolicy.copy(to: folder)
        let manifest = """
            apiVersion: burrow/v1
            kind: Host
            metadata: {name: test}
            spec:
              model: {path: \(Built.samples)/model, name: sample}
              plugins: {search: [\(plugins)], instances: [
                {name: w, type: wayward-batching, parameters: {does: \(does)}}]}
              pipeline: {batching: w}
            """
        return try await onThread {
            let text = ManifestText(Array(manifest.utf8), file: "m.yaml", directory: "/tmp")
            var preflight = Preflight(program: Built.burrow)
            preflight.deadline = .seconds(does.hasPrefix("hangs") ? 15 : 120)
            do {
                try preflight.run(text)
                return nil
            } catch {
                return "\(error)"
            }
        }
    }

    @Test(arguments: [
        ("well", nil), ("throws", nil),
        ("refuses to be made", "m.yaml:8:24: error: spec.pipeline.batching: I do not want to be."),
        (
            "traps when made",
            "the preflight died of SIGILL (a trap: a failed precondition, an index out of range, "
                + "an overflow) while making batching policy 'w' of type wayward-batching"
        ),
        (
            "hangs when made",
            "the preflight was not done after 15.0 seconds while making batching policy 'w' of type "
                + "wayward-batching"
        ),
    ])
    func aTrialNamesTheCulprit(_ does: String, _ expected: String?) async throws {
        let fault = try await fault(does, in: try TestFolder())
        guard let expected else { return #expect(fault == nil) }
        #expect(fault?.hasPrefix(expected) == true, "\(fault ?? "nothing")")
    }

    @Test func aChildIsReadToItsEndAndNoFurther() async throws {
        let outcome = try await onThread {
            try ChildProgram(
                path: "/bin/sh", arguments: ["-c", "cat; echo $WORD; exit 3"],
                environment: ["WORD": "end"]
            ).run(input: Array("begin ".utf8), deadline: .seconds(60))
        }
        #expect(outcome.end == .exited(3))
        #expect(String(decoding: outcome.output, as: UTF8.self) == "begin end\n")
        let endless = try await onThread {
            try ChildProgram(
                path: "/bin/sh", arguments: ["-c", "while :; do echo more; done"], environment: [:]
            ).run(input: [], deadline: .milliseconds(300))
        }
        #expect(endless.end == .timedOut && endless.output.count <= ChildProgram.mostOutput)
        let killed = try await onThread {
            try ChildProgram(
                path: "/bin/sh", arguments: ["-c", "kill -SEGV $$"], environment: [:]
            ).run(input: [], deadline: .seconds(60))
        }
        #expect(killed.end == .killed(SIGSEGV))
    }
}

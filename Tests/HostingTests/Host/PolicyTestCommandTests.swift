// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// `burrow test`, as people run it, and the tests of the shipped policies.
struct PolicyTestCommandTests {
    private static let shipped: [String] =
        ((try? FileManager.default.contentsOfDirectory(
            atPath: "\(Built.repository)/Manifests/tests")) ?? []).sorted()

    private static func test(_ expect: String) -> String {
        """
        apiVersion: burrow/v1
        kind: PolicyTest
        metadata: {name: in-turn}
        spec:
          given:
            replicas: {count: 2}
            requests: [{id: a}, {id: b}, {id: c}]
          expect: {\(expect)}
        """
    }

    @Test func thereAreTestsOfTheShippedPolicies() {
        #expect(Self.shipped.count >= 5)
    }

    @Test(arguments: shipped)
    func aShippedPolicyDoesWhatItsTestSays(_ name: String) async throws {
        let path = "\(Built.repository)/Manifests/tests/\(name)"
        let result = try await run(Built.burrow, ["test", path, "--json"])
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let report = try JSON(parsing: result.output)
        #expect(report["passed"] == true && !report["tests"].list.isEmpty)
        #expect(report["tests"].list.allSatisfy { ($0["iterations"].integer ?? 0) > 0 })
    }

    @Test func aManifestRunsTheTestsThatItNames() async throws {
        let folder = try TestFolder()
        _ = try folder.write("tests/turn.test.yaml", Self.test("replicas: {a: 0, b: 1, c: 0}"))
        let manifest = try folder.write(
            "m.yaml",
            ServedManifest(pipeline: ["dispatch: round-robin"], spec: ["tests: [tests]"]).text)
        let passed = try await run(Built.burrow, ["test", manifest], in: folder)
        #expect(passed.status == 0, "\(passed.errors)")
        #expect(passed.output.contains("1 test passed, 0 failed"), "\(passed.output)")
        let valid = try await run(Built.burrow, ["validate", manifest], in: folder)
        #expect(valid.status == 0, "\(valid.errors)")

        _ = try folder.write("tests/turn.test.yaml", Self.test("replicas: {a: 0, b: 0}"))
        let failed = try await run(Built.burrow, ["test", manifest], in: folder)
        #expect(failed.status == 1)
        #expect(
            failed.output.contains(
                "turn.test.yaml:8:32: failed: expected b on replica 0; it went to replica 1"),
            "\(failed.output)")

        _ = try folder.write("tests/turn.test.yaml", Self.test("replica: {a: 0}"))
        for command in ["test", "validate"] {
            let faulty = try await run(Built.burrow, [command, manifest], in: folder)
            #expect(faulty.status == 78)
            #expect(
                faulty.errors.contains(
                    "turn.test.yaml:8:12: error: spec.expect: unknown key 'replica' "
                        + "(did you mean 'replicas'?)"), "\(faulty.errors)")
        }
    }

    @Test func whatNamesNoTestsIsTold() async throws {
        let folder = try TestFolder()
        let manifest = try folder.write("m.yaml", ServedManifest().text)
        let none = try await run(Built.burrow, ["test", manifest], in: folder)
        #expect(none.status == 78 && none.errors.contains("names no tests"), "\(none.errors)")
        let missing = try await run(Built.burrow, ["test", "nothing"], in: folder)
        #expect(missing.status == 78, "\(missing.errors)")
        let wrong = try folder.write("w.yaml", ServedManifest(spec: ["tests: [nothing]"]).text)
        for command in ["test", "validate"] {
            let result = try await run(Built.burrow, [command, wrong], in: folder)
            #expect(result.status == 78)
            #expect(result.errors.contains("there is no file or folder"), "\(result.errors)")
        }
    }
}

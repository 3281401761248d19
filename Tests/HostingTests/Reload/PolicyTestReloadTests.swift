// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Tests of policies stand between a manifest and the host that is to move to it.
struct PolicyTestReloadTests {
    private static func test(_ replica: Int) -> String {
        """
        apiVersion: burrow/v1
        kind: PolicyTest
        metadata: {name: in-turn}
        spec:
          given:
            replicas: {count: 2}
            requests: [{id: a}, {id: b}]
          expect: {replicas: {a: 0, b: \(replica)}}
        """
    }

    @Test func aHostMovesToNoManifestWhoseTestsFail() async throws {
        var manifest = ServedManifest()
        manifest.plugins = ["budget: 1s"]
        let server = try await BurrowProcess.start(manifest)
        let folder = try TestFolder()
        manifest.limits = ["queue: 7"]
        manifest.pipeline = ["dispatch: round-robin"]
        manifest.spec = ["tests: [tests]"]
        let file = try folder.write("m.yaml", manifest.text)
        let socket = ["--socket", server.adminSocket]
        for (replica, applies) in [(0, false), (1, true)] {
            _ = try folder.write("tests/turn.test.yaml", Self.test(replica))
            let result = try await run(Built.burrow, ["apply", file] + socket)
            #expect((result.status == 0) == applies, "\(result)")
            guard !applies else { continue }
            let told = result.output + result.errors
            #expect(
                told.contains(
                    "turn.test.yaml:8:32: failed: expected b on replica 0; it went to replica 1"),
                "\(result)")
        }
        try await server.stop()
    }
}

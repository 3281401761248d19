// SPDX-License-Identifier: Apache-2.0

import ManifestLoading
import PluginLoading
import PolicyTesting
import Scheduling

enum Fixtures {
    /// A test of built-in policies; `given` and `expect` are lines at an indentation of four.
    static func test(
        given: String, expect: String, policies: String = "policies: {pipeline: {}}"
    ) -> String {
        """
        apiVersion: burrow/v1
        kind: PolicyTest
        metadata: {name: t}
        spec:
          \(policies)
          given:
        \(indented(given))
          expect:
        \(indented(expect))
        """
    }

    private static func indented(_ text: String) -> String {
        text.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
    }

    static func file(_ text: String) -> PolicyTestFile {
        PolicyTestFile(Array(text.utf8), file: "a.test.yaml", directory: "/tests")
    }

    static func run(_ text: String, host: TestedManifest? = nil) throws -> PolicyTestReport {
        let registry = try PolicyRegistry(builtIn: BuiltInPolicies.all)
        return PolicyTests.run([file(text)], registry: registry, host: host)
    }

    /// What does not hold, and what is wrong with the file.
    static func failures(_ text: String) throws -> [String] {
        let report = try run(text)
        return report.diagnostics.map(\.headline)
            + report.verdicts.flatMap { $0.failures.map(\.headline) }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ManifestLoading

@Suite struct EnvironmentTests {
    static let environment = [
        "HOST": "0.0.0.0", "EMPTY": "", "COUNT": "3", "YAML": "x, queue: 1}", "_a1": "under",
    ]

    static let expansions: [(String, String?)] = [
        ("plain", nil), ("a $ sign and {braces}", nil), ("$HOST", nil),
        ("${env:HOST}:80", "0.0.0.0:80"), ("${env:HOST}${env:COUNT}", "0.0.0.03"),
        ("${env:NONE:-fallback}", "fallback"), ("${env:EMPTY:-fallback}", "fallback"),
        ("${env:EMPTY}", ""), ("${env:NONE:-}", ""), ("${env:NONE:-a:-b}", "a:-b"),
        ("$${env:HOST}", "${env:HOST}"), ("$$${env:HOST}", "$${env:HOST}"),
        ("${env:_a1}", "under"), ("ä${env:HOST}ä", "ä0.0.0.0ä"),
    ]

    @Test(arguments: expansions)
    func variablesAreReplaced(text: String, expected: String?) throws {
        var expansion = EnvironmentExpansion(environment: Self.environment)
        #expect(try expansion.expand(text) == expected)
    }

    @Test(arguments: [
        ("ab${env:NONE}", 2), ("${env:HOST", 0), ("x${HOST}", 1), ("${env:}", 0), ("${env:1A}", 0),
        ("${env:A-B}", 0), ("${env:A:+b}", 0), ("${env:HOST}${file:x}", 11),
    ])
    func faultyVariableSaysWhere(text: String, offset: Int) {
        var expansion = EnvironmentExpansion(environment: Self.environment)
        let fault = #expect(throws: EnvironmentExpansion.Fault.self) {
            try expansion.expand(text)
        }
        #expect(fault?.offset == offset)
    }

    @Test func variablesGiveBoundedText() {
        let large = String(repeating: "x", count: 600_000)
        var expansion = EnvironmentExpansion(environment: ["LARGE": large])
        #expect(throws: Never.self) { try expansion.expand("${env:LARGE}") }
        #expect(throws: EnvironmentExpansion.Fault.self) { try expansion.expand("${env:LARGE}") }
    }

    @Test func variablesStandForNumbersToo() throws {
        let text = Fixtures.manifest(
            #"  replicas: {count: "${env:COUNT}", memory: "${env:M:-2GiB}"}"#)
        let manifest = try #require(
            Fixtures.validate(text, environment: Self.environment).manifest)
        #expect(manifest.spec.replicas.count.value == 3)
        #expect(manifest.spec.replicas.memory.value.manifestText == "2GiB")
    }

    @Test func variableCannotAddKeys() {
        let text = Fixtures.manifest("  limits:\n    queue: ${env:YAML}")
        #expect(
            Fixtures.faults(text, environment: Self.environment) == [
                "m.yaml:7:12: error: spec.limits.queue: expected a whole number, "
                    + "found 'x, queue: 1}'"
            ])
    }

    @Test func missingVariableIsShownWhereItStands() throws {
        let text = Fixtures.manifest("  plugins:\n    search: \n      - a/${env:WHERE}/b")
        let diagnostic = try #require(Fixtures.validate(text).diagnostics.first)
        #expect(diagnostic.position == SourcePosition(line: 8, column: 11, endColumn: 25))
        #expect(diagnostic.path == "spec.plugins.search[0]")
    }
}

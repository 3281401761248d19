// SPDX-License-Identifier: Apache-2.0

import ManifestLoading
import PluginLoading
import PolicyTesting
import Scheduling
import TestSupport
import Testing

/// Mutated tests must never trap, and each must either be usable or say why not.
struct FuzzTests {
    private static let original = Fixtures.test(
        given: """
            clock: {at: 1ms, until: 100ms, steps: 50}
            replicas: {count: 2, pages: 64, maxBatch: 2, adapterMemory: 4MiB, shared: false}
            adapters: [{name: tax, resident: all, merged: 0}, {name: law, bytes: 2MiB}]
            tenants: [{name: alice, weight: 2}]
            serviceClasses: [{name: quick, timeToFirstToken: 50ms}]
            requests:
              - {id: a, adapter: tax, tenant: alice, class: quick, prompt: 20, output: 9, generated: 3}
              - {id: b, adapter: law, at: 2ms}
            """,
        expect: """
            order: [a, b]
            iterations: [{number: 1, mode: {merged: tax}, runs: [a]}]
            replicas: {a: 0}
            evicted: []
            firstToken: {b: {atMost: 80ms}}
            metrics: {switches: {atLeast: 0, atMost: 2}}
            """)

    private static let pieces = [
        "[", "]", "{", "}", ": ", "- ", "\n", "---\n", "all", "-1", "0", "64", "999999999999",
        "9223372036854775807", "1ns", "24h", "1e9", "{merged: tax}", "null", "''", "b", "tax",
    ]

    @Test func mutatedTestsAreRunOrSayWhyNot() throws {
        let registry = try PolicyRegistry(builtIn: BuiltInPolicies.all)
        let mutator = ByteMutator(pieces: Self.pieces, edits: 1...4)
        let whole = PolicyTests.run([Fixtures.file(Self.original)], registry: registry)
        #expect(whole.verdicts.count == 1, "\(whole.diagnostics)")
        FuzzRun(seconds: 2, rounds: 50, seed: 20_261_127).forEachRound { random, seed in
            let text = mutator.mutate(Array(Self.original.utf8), with: &random)
            let file = PolicyTestFile(text, file: "fuzz", directory: "/")
            let checked = PolicyTests.check([file], registry: registry)
            let errors = checked.diagnostics.filter { $0.severity == .error }
            #expect(!checked.tests.isEmpty || !errors.isEmpty, "seed \(seed)")
            for diagnostic in checked.diagnostics { _ = diagnostic.rendered }
            // What is still bounded by its clock is run as well.
            guard checked.tests.allSatisfy({ ($0.test.spec.given.clock.steps?.value ?? 99) < 99 })
            else { return }
            let report = PolicyTests.run([file], registry: registry)
            #expect(report.verdicts.count == (errors.isEmpty ? checked.tests.count : 0))
        }
    }
}

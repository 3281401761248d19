// SPDX-License-Identifier: Apache-2.0

import PluginLoading
import PolicyKit
import PolicyTesting
import Scheduling
import Testing

@testable import ManifestLoading

struct PolicyTestsTests {
    private static let given = """
        replicas: {count: 2, maxBatch: 1, adapterMemory: 2MiB}
        adapters: [{name: tax, resident: all}, {name: law, resident: 0}, {name: tech}]
        requests:
          - {id: a, adapter: tax}
          - {id: b, adapter: tax, prompt: 32}
          - {id: c, adapter: law, at: 1ms, output: 1}
        """

    @Test func whatHoldsPasses() throws {
        let report = try Fixtures.run(
            Fixtures.test(
                given: Self.given,
                expect: """
                    order: [a, b, c]
                    replicas: {a: 0, b: 1}
                    iterations: [{number: 1, mode: unmerged, runs: [a]}]
                    evicted: []
                    migrations: []
                    aborted: []
                    refused: []
                    firstToken: {a: {atMost: 20ms}}
                    metrics: {completed: 3, switches: 0, loads: {atLeast: 3, atMost: 4}}
                    """))
        #expect(report.isPassed, "\(report)")
        #expect(report.verdicts.count == 1 && report.verdicts[0].iterations > 16)
    }

    /// Lines of `expect`, each with what a failure of it says.
    private static let failing: [(expectation: String, message: String)] = [
        (
            "order: [c, a]",
            "9:12: failed: expected order c, a; got a, c (iteration 1 of replica 0 ran a)"
        ),
        (
            "iterations: [{number: 1, mode: {merged: tax}, runs: [a]}]",
            "9:36: failed: expected iteration 1 of replica 0 to be merged on tax; it was unmerged "
                + "and ran a"
        ),
        (
            "iterations: [{number: 1, runs: [a, b]}]",
            "9:36: failed: expected iteration 1 of replica 0 to run a, b; it ran a"
        ),
        (
            "iterations: [{number: 900, replica: 1}]",
            "9:27: failed: expected iteration 900 of replica 1; there were 8"
        ),
        (
            "replicas: {a: 1}", "9:19: failed: expected a on replica 1; it went to replica 0"
        ),
        ("evicted: [tax]", "9:14: failed: expected evicted tax; got nobody"),
        (
            "migrations: [{request: a, to: 1}]",
            "9:17: failed: expected moves: a to 1; got nobody"
        ),
        ("aborted: [a]", "9:14: failed: expected aborted a; got nobody"),
        ("refused: [b]", "9:14: failed: expected refused b; got nobody"),
        (
            "firstToken: {c: {atMost: 1ms}}",
            "9:30: failed: expected the first token of c after at most 1ms; it came after "
        ),
        (
            "finished: {a: {atLeast: 10s}}",
            "9:29: failed: expected the last token of a after at least 10s; it came after "
        ),
        ("metrics: {completed: 2}", "9:26: failed: expected completed 2; there were 3"),
        (
            "metrics: {completed: {atMost: 2}}",
            "9:35: failed: expected completed at most 2; there were 3"
        ),
        (
            "metrics: {switches: {atLeast: 1}}",
            "9:35: failed: expected switches at least 1; there were 0"
        ),
    ]

    @Test(arguments: failing.indices)
    func whatDoesNotHoldIsToldWithItsPlace(_ index: Int) throws {
        let (expectation, message) = Self.failing[index]
        let given = """
            {replicas: {count: 2, maxBatch: 1, adapterMemory: 2MiB}, adapters: [{name: tax, \
            resident: all}, {name: law, resident: 0}], requests: [{id: a, adapter: tax}, {id: b, \
            adapter: tax}, {id: c, adapter: law, at: 1ms}]}
            """
        let failures = try Fixtures.failures(Fixtures.test(given: given, expect: expectation))
        #expect(failures.count == 1)
        #expect(failures.first?.hasPrefix("a.test.yaml:\(message)") == true, "\(failures)")
    }

    @Test func aFailureShowsItsLine() throws {
        let report = try Fixtures.run(
            Fixtures.test(given: "requests: [{id: a}]", expect: "metrics: {completed: 7}"))
        #expect(!report.isPassed && !report.isFaulty)
        #expect(
            report.verdicts[0].failures[0].rendered == """
                a.test.yaml:9:26: failed: expected completed 7; there were 1
                        metrics: {completed: 7}
                                             ^
                """)
    }

    /// Keys of `given` and `expect` with the faults of a file that has them.
    private static let faulty: [(given: String, expect: String, message: String)] = [
        (
            "requests: [{id: a, adaptor: tax}]", "order: [a]",
            "7:24: error: spec.given.requests[0]: unknown key 'adaptor' (did you mean 'adapter'?)"
        ),
        (
            "{adapters: [{name: tax}], requests: [{id: a, adapter: tex}]}", "order: [a]",
            "7:59: error: spec.given.requests[0].adapter: no adapter is called 'tex' "
                + "(did you mean 'tax'?)"
        ),
        (
            "requests: [{id: first}]", "order: [frist]",
            "9:12: error: spec.expect.order: no request is called 'frist' (did you mean 'first'?)"
        ),
        (
            "requests: [{id: a}]", "metrics: {swiches: 1}",
            "9:15: error: spec.expect.metrics: no metric is called 'swiches' "
                + "(did you mean 'switches'?)"
        ),
        (
            "requests: [{id: a}]", "replicas: {a: 1}",
            "9:19: error: spec.expect.replicas.a: there is no replica 1: the test has 1, from 0"
        ),
        (
            "requests: [{id: a}, {id: a}]", "order: [a]",
            "7:30: error: spec.given.requests[1].id: 'a' is the name of another request, at line 7"
        ),
        (
            "requests: [{id: a, at: 5}]", "order: [a]",
            "7:28: error: spec.given.requests[0].at: a duration has a unit (ns, us, ms, s, m, h), "
                + "found '5' (did you mean '5s'?)"
        ),
        (
            "requests: [{id: a, output: 4, generated: 4}]", "order: [a]",
            "7:46: error: spec.given.requests[0].generated: it would be over: less than output (4) "
                + "is generated"
        ),
        (
            "requests: [{id: a}]", "iterations: [{number: 1, mode: merged}]",
            "9:36: error: spec.expect.iterations[0].mode: expected unmerged, {merged: ADAPTER} or "
                + "{mixed: ADAPTER}, found 'merged' (did you mean 'unmerged'?)"
        ),
        (
            "requests: [{id: a, generated: 1}]", "firstToken: {a: {atMost: 1s}}",
            "9:18: error: spec.expect.firstToken: 'a' has its first token when it comes"
        ),
        (
            "requests: [{id: a}]", "{}", "8:3: error: spec.expect: nothing is expected"
        ),
    ]

    @Test(arguments: faulty.indices)
    func faultsAreToldAsThoseOfManifests(_ index: Int) throws {
        let (given, expect, message) = Self.faulty[index]
        let report = try Fixtures.run(Fixtures.test(given: given, expect: expect))
        #expect(report.isFaulty && report.verdicts.isEmpty)
        #expect(report.diagnostics.map(\.headline) == ["a.test.yaml:\(message)"])
    }

    @Test func anUnknownPolicyIsTold() throws {
        let failures = try Fixtures.failures(
            Fixtures.test(
                given: "requests: [{id: a}]", expect: "order: [a]",
                policies: "policies: {pipeline: {batching: fcfs-unmerge}}"))
        #expect(
            failures == [
                "a.test.yaml:5:35: error: spec.policies.pipeline.batching: no instance and no "
                    + "batching policy is called 'fcfs-unmerge' (did you mean 'fcfs-unmerged'?)"
            ])
    }

    @Test func instancesWithoutAPipelineAreNoPolicies() throws {
        let failures = try Fixtures.failures(
            Fixtures.test(
                given: "requests: [{id: a}]", expect: "order: [a]",
                policies: "policies: {instances: [{name: first, type: fcfs-unmerged}]}"))
        #expect(
            failures.first
                == "a.test.yaml:5:33: error: spec.policies.instances: instances are asked nothing "
                + "without a pipeline: name them there")
    }

    @Test func aStrikeFailsATestThatDoesNotExpectIt() throws {
        let registry = try PolicyRegistry(builtIn: BuiltInPolicies.all + [Refuser.self])
        for (metrics, passes) in [("completed: 1", false), ("strikes: {atLeast: 1}", true)] {
            let text = Fixtures.test(
                given: "requests: [{id: a}]", expect: "metrics: {\(metrics)}",
                policies: "policies: {pipeline: {batching: refuser}}")
            let report = PolicyTests.run([Fixtures.file(text)], registry: registry)
            #expect(report.isPassed == passes, "\(report)")
            guard !passes else { continue }
            let message = report.verdicts.first?.failures.first?.headline
            #expect(
                message?.hasPrefix(
                    "a.test.yaml:3:18: failed: the batching policy 'refuser' had ") == true)
            #expect(
                message?.hasSuffix("strikes, the last: no plan today") == true, "\(message ?? "")")
        }
    }

    @Test func aFileHasSeveralTestsAndEachFaultItsOwnLine() throws {
        let first = Fixtures.test(given: "requests: [{id: a}]", expect: "order: [a]")
        let second = first.replacing("name: t", with: "name: u")
        let report = try Fixtures.run("\(first)\n---\n\(second)")
        #expect(report.isPassed && report.verdicts.map(\.name) == ["t", "u"])
        let failures = try Fixtures.failures("\(first)\n---\n\(first)")
        #expect(
            failures == [
                "a.test.yaml:13:18: error: metadata.name: 't' is the name of another test, at line 3"
            ])
    }

    @Test func aTestWithoutPoliciesTakesThoseOfTheManifestThatNamesIt() throws {
        let text = Fixtures.test(
            given: "{replicas: {count: 2}, requests: [{id: a}, {id: b}]}", expect: "order: [a, b]",
            policies: "policies: {}")
        #expect(
            try Fixtures.failures(text) == [
                "a.test.yaml:3:18: error: spec: no policies are named, and no manifest names the "
                    + "test: write spec.policies"
            ])
        let host = TestedManifest(path: "/m.yaml", policies: TestedPolicies(Manifest()))
        #expect(try Fixtures.run(text, host: host).isPassed)
        let named = text.replacing("policies: {}", with: "policies: {manifest: ../m.yaml}")
        #expect(try Fixtures.run(named, host: host).isPassed)
        #expect(try Fixtures.failures(named).first?.contains("cannot be used") == true)
    }

    // MARK: - What is given

    @Test func requestsThatCameBeforeTheClockWaitForIt() throws {
        let failures = try Fixtures.failures(
            Fixtures.test(
                given: """
                    clock: {at: 1s}
                    replicas: {maxBatch: 1}
                    requests: [{id: late, at: 900ms}, {id: early, at: 100ms}]
                    """,
                expect: """
                    order: [early, late]
                    firstToken: {early: {atLeast: 900ms, atMost: 950ms}}
                    """))
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test func theClockEndsATest() throws {
        for clock in ["{until: 5s}", "{steps: 40}"] {
            let failures = try Fixtures.failures(
                Fixtures.test(
                    given: """
                        clock: \(clock)
                        requests: [{id: a, output: 60000}]
                        """,
                    expect: "metrics: {completed: 0, iterations: {atLeast: 40, atMost: 500}}"))
            #expect(failures.isEmpty, "\(failures)")
        }
    }

    @Test func aRequestThatHasGeneratedGoesOnFromThere() throws {
        let failures = try Fixtures.failures(
            Fixtures.test(
                given: "requests: [{id: a, prompt: 5000, output: 10, generated: 6}]",
                expect: "metrics: {iterations: 4}"))
        #expect(failures.isEmpty, "\(failures)")
    }

    @Test func theSameTestGivesTheSameVerdict() throws {
        let text = Fixtures.test(given: Self.given, expect: "order: [c, b, a]")
        let (first, second) = (try Fixtures.run(text), try Fixtures.run(text))
        #expect(first.verdicts == second.verdicts && !first.isPassed)
    }

    // MARK: - Files

    @Test func keysAreExplained() {
        guard
            case .text(let text) = ManifestSchema.explain(
                "PolicyTest.given.requests", policies: []),
            case .text(let whole) = ManifestSchema.explain("PolicyTest", policies: [])
        else {
            Issue.record("not explained")
            return
        }
        #expect(text.hasPrefix("spec.given.requests: a list, required"), "\(text)")
        #expect(text.contains("Tokens that it generates in all.") && whole.contains("apiVersion"))
        let wrong = ManifestSchema.explain("PolicyTest.given.request", policies: [])
        #expect(wrong == .unknown(suggestion: "given.requests"))
    }

    @Test func foldersAndMissingFiles() throws {
        guard case .failure(let error) = PolicyTests.files(at: "/nowhere/at/all") else {
            Issue.record("found files in a folder that is not there")
            return
        }
        #expect(error.message == "there is no file or folder /nowhere/at/all")
    }
}

/// Throws whatever it is asked.
private final class Refuser: BatchingPolicy {
    typealias Parameters = NoParameters

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "refuser", version: "1.0.0", summary: "Throws.")
    }

    init(parameters: NoParameters, seed: UInt64) {}

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) { throw PolicyError("no plan today") }
}

// SPDX-License-Identifier: Apache-2.0

package import ManifestLoading
internal import Simulation

/// What came of some tests.
package struct PolicyTestReport: Sendable {
    package var verdicts: [PolicyTestVerdict] = []

    /// Faults of the files, and warnings.
    package var diagnostics: [Diagnostic] = []

    package init() {}

    /// Whether a file cannot be used.
    package var isFaulty: Bool { diagnostics.contains { $0.severity == .error } }

    /// Whether all is well: every test was run and held.
    package var isPassed: Bool { !isFaulty && verdicts.allSatisfy(\.isPassed) }
}

/// What came of one test.
package struct PolicyTestVerdict: Sendable, Equatable {
    package var file: String
    package var name: String

    /// Where the test is.
    package var position: SourcePosition?

    /// The expectations that did not hold, in the order of the file.
    package var failures: [Diagnostic]

    /// Iterations that were run, and the time that passed on the test's clock.
    package var iterations: Int
    package var time: Duration

    package var isPassed: Bool { failures.isEmpty }

    init(_ checked: CheckedPolicyTest, _ record: PolicyTestRecord) {
        file = checked.file.file
        name = checked.test.metadata.name.value
        position = checked.test.metadata.name.position
        iterations = record.summary.steps
        time = record.summary.makespan
        failures = ExpectationChecks(checked, record).failures()
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import ManifestLoading
internal import PolicyKit
internal import Scheduling
internal import Simulation

/// Compares what a test expects with what happened.
struct ExpectationChecks {
    private let checked: CheckedPolicyTest
    private let expect: PolicyTest.Expectations
    private let record: PolicyTestRecord
    private var found: [Diagnostic] = []

    init(_ checked: CheckedPolicyTest, _ record: PolicyTestRecord) {
        self.checked = checked
        self.record = record
        expect = checked.test.spec.expect
    }

    /// What does not hold, in the order of the file.
    func failures() -> [Diagnostic] {
        var checks = self
        checks.checkEnd()
        checks.checkOrder()
        for iteration in expect.iterations { checks.check(iteration) }
        for entry in expect.replicas { checks.checkReplica(entry) }
        checks.checkEvictions()
        checks.checkMigrations()
        checks.checkOutcomes()
        for entry in expect.firstToken { checks.check(entry, "first token") { $0.firstToken } }
        for entry in expect.finished {
            checks.check(entry, "last token") { $0.outcome == .completed ? $0.lastToken : nil }
        }
        for entry in expect.metrics { checks.checkMetric(entry) }
        let start = SourcePosition(line: 0, column: 0)
        return checks.found.enumerated().sorted { left, right in
            let (first, second) = (left.element.position ?? start, right.element.position ?? start)
            return first == second ? left.offset < right.offset : first < second
        }.map(\.element)
    }

    private mutating func fail(_ message: String, at position: SourcePosition?) {
        var failure = checked.file.diagnostic(message, at: position)
        failure.severity = .failed
        found.append(failure)
    }

    // MARK: - The run as a whole

    private mutating func checkEnd() {
        let position = checked.test.metadata.name.position
        if record.isEndless {
            fail(
                "the test has not come to an end after \(record.summary.steps) iterations",
                at: position)
        }
        guard !expect.metrics.contains(where: { $0.name.value == "strikes" }) else { return }
        for policy in record.summary.policies where policy.strikes > 0 {
            let last = policy.lastStrike.map { ", the last: \($0.message)" } ?? ""
            fail(
                "the \(policy.kind.rawValue) policy '\(policy.name)' had \(policy.strikes) "
                    + "strikes\(last)", at: position)
        }
    }

    private mutating func checkOrder() {
        guard let order = expect.order else { return }
        let wanted = Set(order.value)
        let runs = record.firstRuns.filter { wanted.contains(record.name($0.request)) }
        let names = runs.map { record.name($0.request) }
        guard names != order.value else { return }
        var message = "expected order \(order.value.listed); got \(names.listed)"
        let differs = zip(names, order.value).enumerated().first { $0.element.0 != $0.element.1 }
        if let index = differs?.offset {
            message += " (\(told(runs[index].plan)))"
        } else {
            let missing = order.value.filter { !names.contains($0) }
            message += "; \(missing.listed) never ran"
        }
        fail(message, at: order.position)
    }

    /// `iteration 2 ran a, b`.
    private func told(_ plan: SimulatedPlan) -> String {
        "\(title(plan.number, of: plan.replica)) ran \(record.names(of: plan))"
    }

    private func title(_ number: Int, of replica: Int) -> String {
        let isOnly = checked.test.spec.given.replicas.count.value == 1
        return "iteration \(number)" + (isOnly ? "" : " of replica \(replica)")
    }

    // MARK: - Iterations

    private mutating func check(_ iteration: PolicyTest.Iteration) {
        let (number, replica) = (iteration.number.value, iteration.replica.value)
        let title = title(number, of: replica)
        guard let plan = record.plan(number, of: replica) else {
            let count = record.plans.count { $0.replica == replica }
            return fail("expected \(title); there were \(count)", at: iteration.number.position)
        }
        if let mode = iteration.mode {
            let (wanted, got) = (mode.value.text, record.mode(of: plan))
            if wanted != got {
                fail(
                    "expected \(title) to be \(wanted); it was \(got) and ran "
                        + record.names(of: plan) + lateCopies(plan), at: mode.position)
            }
        }
        if let runs = iteration.runs {
            let got = plan.requests.map(record.name)
            if got.sorted() != runs.value.sorted() {
                fail(
                    "expected \(title) to run \(runs.value.listed); it ran \(got.listed)",
                    at: runs.position)
            }
        }
    }

    /// That some iterations ran unmerged for want of a copy, where that may be why.
    private func lateCopies(_ plan: SimulatedPlan) -> String {
        let count =
            record.summary.replicas.indices.contains(plan.replica)
            ? record.summary.replicas[plan.replica].unmergedInstead : 0
        guard count > 0, plan.mode == .unmerged else { return "" }
        return "; \(count) that were wanted merged ran unmerged, as the copy was not ready"
    }

    // MARK: - Fleet

    private mutating func checkReplica(_ entry: PolicyTest.Named<Int>) {
        let name = entry.name.value
        let request = record.requests.firstIndex(of: name)
        let got = request.flatMap { record.dispatched[$0] }
        guard got != entry.value.value else { return }
        fail(
            "expected \(name) on replica \(entry.value.value); it went to "
                + (got.map { "replica \($0)" } ?? "none"), at: entry.value.position)
    }

    private mutating func checkEvictions() {
        guard let evicted = expect.evicted else { return }
        let names = record.unloads.map { unload in
            record.adapters.indices.contains(unload.adapter) ? record.adapters[unload.adapter] : "?"
        }
        guard names != evicted.value else { return }
        let start = Instant(nanoseconds: 0)
        let times = zip(names, record.unloads).map { name, unload in
            "\(name) from replica \(unload.replica) at \(start.duration(to: unload.time).short)"
        }
        fail(
            "expected evicted \(evicted.value.listed); got "
                + (times.isEmpty ? "nobody" : times.listed), at: evicted.position)
    }

    private mutating func checkMigrations() {
        guard let migrations = expect.migrations else { return }
        let wanted = migrations.value.map { "\($0.request.value) to \($0.to.value)" }
        let got = record.moves.map { "\(record.name($0.request)) to \($0.to)" }
        guard wanted != got else { return }
        fail("expected moves: \(wanted.listed); got \(got.listed)", at: migrations.position)
    }

    private mutating func checkOutcomes() {
        let aborted = record.requests { $0 == .aborted }
        let refused = record.requests { if case .refused = $0 { true } else { false } }
        for (what, wanted, got) in [
            ("aborted", expect.aborted, aborted), ("refused", expect.refused, refused),
        ] {
            guard let wanted, wanted.value.sorted() != got.sorted() else { continue }
            fail("expected \(what) \(wanted.value.listed); got \(got.listed)", at: wanted.position)
        }
    }

    // MARK: - Bounds

    private mutating func check(
        _ entry: PolicyTest.Named<PolicyTest.DurationBounds>, _ what: String,
        _ moment: (SimulatedRequest) -> Instant?
    ) {
        let name = entry.name.value
        let request = record.requests.firstIndex(of: name).flatMap { record.ended[$0] }
        let time = request.flatMap { request in
            moment(request).map { request.arrival.duration(to: $0) }
        }
        let got = time.map { "it came after \($0.short)" } ?? "it never came"
        if let most = entry.value.value.atMost, time.map({ $0 > most.value }) ?? true {
            fail(
                "expected the \(what) of \(name) after at most \(most.value.short); \(got)",
                at: most.position)
        }
        if let least = entry.value.value.atLeast, time.map({ $0 < least.value }) ?? true {
            fail(
                "expected the \(what) of \(name) after at least \(least.value.short); \(got)",
                at: least.position)
        }
    }

    private mutating func checkMetric(_ entry: PolicyTest.Named<PolicyTest.CountBounds>) {
        guard let metric = PolicyTest.Metric(rawValue: entry.name.value) else { return }
        let count = record.summary.count(of: metric)
        let (least, most) = (entry.value.value.atLeast, entry.value.value.atMost)
        if let least, let most, least.value == most.value {
            if count != least.value {
                fail(
                    "expected \(metric.rawValue) \(least.value); there were \(count)",
                    at: least.position)
            }
            return
        }
        if let least, count < least.value {
            fail(
                "expected \(metric.rawValue) at least \(least.value); there were \(count)",
                at: least.position)
        }
        if let most, count > most.value {
            fail(
                "expected \(metric.rawValue) at most \(most.value); there were \(count)",
                at: most.position)
        }
    }
}

extension PolicyTest.Mode {
    fileprivate var text: String {
        switch self {
        case .unmerged: "unmerged"
        case .merged(let adapter): "merged on \(adapter)"
        case .mixed(let adapter): "mixed on \(adapter)"
        }
    }
}

extension SimulationSummary {
    fileprivate func count(of metric: PolicyTest.Metric) -> Int {
        func sum(_ counter: (ReplicaCounters) -> Int) -> Int {
            replicas.reduce(0) { $0 + counter($1) }
        }
        switch metric {
        case .iterations: return steps
        case .switches: return sum(\.switches)
        case .merges: return sum(\.merges)
        case .loads: return residency.reduce(0) { $0 + $1.loads }
        case .evictions: return residency.reduce(0) { $0 + $1.evictions }
        case .preemptions: return sum(\.preemptions)
        case .migrations: return migration.moved
        case .unmergedInstead: return sum(\.unmergedInstead)
        case .completed: return requests.completed
        case .strikes: return policies.reduce(0) { $0 + $1.strikes }
        }
    }
}

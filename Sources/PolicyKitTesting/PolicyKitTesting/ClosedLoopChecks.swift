// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Checks that follow requests to their end.
struct ClosedLoopChecks {
    let seed: UInt64
    let make: (UInt64) throws -> any BatchingPolicy

    private static let workloads = 30

    /// What a whole run came to.
    struct Outcome: Equatable {
        var plans: [BatchPlan] = []
        var fault: String?
    }

    func run() -> [Violation] {
        do {
            return [try completion(), try urgency()].compactMap { $0 }
        } catch {
            return [
                Violation(
                    rule: "makeable", detail: "cannot be made: \(error)", seed: seed, input: "")
            ]
        }
    }

    // MARK: - Everyone is served

    /// Every request of a finite workload ends, and a second run takes the same decisions.
    func completion() throws -> Violation? {
        var generator = SeededGenerator(seed: seed &+ 4)
        for _ in 0..<Self.workloads {
            let workload = Workload(from: &generator)
            let outcome = try serve(workload)
            if outcome.fault != nil {
                let small = smallest(workload)
                return Violation(
                    rule: "serves everyone", detail: try serve(small).fault ?? "not reproducible",
                    seed: seed, input: small.text)
            }
            if try serve(workload) != outcome {
                return Violation(
                    rule: "deterministic", detail: "two runs of one workload took other decisions",
                    seed: seed, input: workload.text)
            }
        }
        return nil
    }

    private func smallest(_ workload: Workload) -> Workload {
        func with(_ jobs: [Workload.Job]) -> Workload {
            Workload(
                jobs: jobs, limits: workload.limits, adapterLoadTime: workload.adapterLoadTime)
        }
        return with(
            shortened(workload.jobs, attempts: 100) { jobs in
                (try? serve(with(jobs)).fault) ?? nil != nil
            })
    }

    private func serve(_ workload: Workload) throws -> Outcome {
        let policy = try make(seed)
        var replica = SmallReplica(
            limits: workload.limits, adapterLoadTime: workload.adapterLoadTime)
        var outcome = Outcome()
        var coming = workload.jobs[...]
        let work = workload.jobs.reduce(0) { $0 + $1.promptTokens + $1.outputTokens }
        for _ in 0..<(1_000 + 20 * work) {
            while let next = coming.first, next.arrival <= replica.now {
                replica.add(next)
                coming.removeFirst()
            }
            if replica.isEmpty, coming.isEmpty { return outcome }
            if !replica.isEmpty {
                let turn = Self.turn(of: &replica, policy: policy, urgent: [])
                outcome.plans.append(turn.plan)
                outcome.fault = turn.fault
                if turn.fault != nil { return outcome }
                if !turn.plan.entries.isEmpty || turn.hasPreempted { continue }
            }
            guard replica.wait(until: coming.first?.arrival) else {
                outcome.fault =
                    "nothing is left to wait for, yet the plan is empty for\n"
                    + replica.question().text
                return outcome
            }
        }
        outcome.fault = "requests are left unserved for ever:\n" + replica.question().text
        return outcome
    }

    // MARK: - The urgent are served

    /// While requests of one adapter come for ever, one of another ends once fairness demands it.
    func urgency() throws -> Violation? {
        var generator = SeededGenerator(seed: seed &+ 5)
        for _ in 0..<Self.workloads {
            let workload = Workload(from: &generator)
            if let fault = try starve(workload, from: &generator) {
                return Violation(
                    rule: "serves whom it must", detail: fault, seed: seed,
                    input: workload.limits.text)
            }
        }
        return nil
    }

    private func starve(
        _ workload: Workload, from generator: inout SeededGenerator
    ) throws -> String? {
        let policy = try make(seed)
        var replica = SmallReplica(limits: workload.limits, adapterLoadTime: .zero)
        var cold = workload.jobs[0]
        cold.adapter = AdapterID(rawValue: 2)
        cold.id = RequestID(rawValue: .max)
        var count = 0
        for _ in 0..<2 * workload.limits.requests {
            replica.add(hot(&count, from: &generator))
        }
        replica.add(cold)
        let patience = 200
        for turn in 0..<patience + 4_000 {
            let urgent: Set<RequestID> = turn < patience ? [] : [cold.id]
            let answer = Self.turn(of: &replica, policy: policy, urgent: urgent)
            if let fault = answer.fault { return fault }
            if answer.plan.entries.isEmpty, !answer.hasPreempted {
                return "the plan is empty for\n" + replica.question(urgent: urgent).text
            }
            if answer.ended.contains(where: { $0.id == cold.id }) { return nil }
            for _ in answer.ended { replica.add(hot(&count, from: &generator)) }
        }
        return "a request is unserved 4000 iterations after fairness put it first, among\n"
            + replica.question(urgent: [cold.id]).text
    }

    private func hot(_ count: inout Int, from generator: inout SeededGenerator) -> Workload.Job {
        count += 1
        var job = Workload.Job.random(count, adapters: 0, arrivesWithin: 1, from: &generator)
        job.adapter = AdapterID(rawValue: 1)
        return job
    }

    // MARK: - One turn

    private struct Turn {
        var plan = BatchPlan()
        var fault: String?
        var ended: [Workload.Job] = []
        var hasPreempted = false
    }

    /// Asks, checks, runs; preempts where the plan is empty and pages are short.
    private static func turn(
        of replica: inout SmallReplica, policy: any BatchingPolicy, urgent: Set<RequestID>
    ) -> Turn {
        let question = replica.question(urgent: urgent)
        var turn = Turn()
        do throws(PolicyError) {
            turn.plan = try question.ask(policy)
        } catch {
            turn.fault = "throws on valid input: \(error.description)\n\(question.text)"
            return turn
        }
        if let fault = question.violation(of: turn.plan) {
            turn.fault = "\(fault)\n\(question.text)"
            return turn
        }
        if turn.plan.entries.isEmpty {
            turn.hasPreempted = replica.isShortOfPages(question) && replica.preempt(question)
            return turn
        }
        let (step, ended) = replica.run(turn.plan, of: question)
        policy.observe(step)
        turn.ended = ended
        return turn
    }
}

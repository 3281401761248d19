// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The checks that policies of all kinds share.
struct PolicyChecks<Question: PolicyQuestion> {
    let seed: UInt64
    let rounds: Int
    let make: (UInt64) throws -> Question.Subject

    func run() -> [Violation] {
        do {
            return [try totality(), try validity(), try determinism(), try state()]
                .compactMap { $0 }
        } catch {
            return [violation("makeable", "cannot be made with its default parameters: \(error)")]
        }
    }

    func violation(_ rule: String, _ detail: String, _ question: Question? = nil) -> Violation {
        Violation(rule: rule, detail: detail, seed: seed, input: question?.text ?? "")
    }

    /// Answers nothing, one and ten thousand.
    func totality() throws -> Violation? {
        var generator = SeededGenerator(seed: seed)
        for size in QuestionSize.allCases {
            let question = Question(size, from: &generator)
            guard question.fault(of: try make(seed)) != nil else { continue }
            return try smallest(question, rule: "total")
        }
        return nil
    }

    /// Every answer in a long random life of one instance follows the rules.
    func validity() throws -> Violation? {
        var generator = SeededGenerator(seed: seed &+ 1)
        let subject = try make(seed)
        for round in 0..<rounds {
            let question = Question(.usual, from: &generator)
            if let fault = question.fault(of: subject) {
                guard question.fault(of: try make(seed)) == nil else {
                    return try smallest(question, rule: "valid")
                }
                return violation("valid", "\(fault), after \(round) calls", question)
            }
            guard let answer = try? question.ask(subject) else { continue }
            question.report(answer, to: subject, from: &generator)
        }
        return nil
    }

    /// Two instances with one seed and one history answer alike, at whatever time of day.
    func determinism() throws -> Violation? {
        var generator = SeededGenerator(seed: seed &+ 2)
        let (left, right) = (try make(seed), try make(seed))
        for round in 0..<rounds {
            let question = Question(.usual, from: &generator)
            guard let first = try? question.ask(left), let second = try? question.ask(right) else {
                return violation("deterministic", "throws after \(round) calls", question)
            }
            if first != second {
                return violation(
                    "deterministic",
                    "the same seed and inputs gave \(first) and \(second), after \(round) calls",
                    question)
            }
            var copy = generator
            question.report(first, to: left, from: &generator)
            question.report(first, to: right, from: &copy)
        }
        return nil
    }

    /// State comes through an export and an import unchanged, and damaged state is refused.
    func state() throws -> Violation? {
        var generator = SeededGenerator(seed: seed &+ 3)
        let subject = try make(seed)
        for _ in 0..<min(rounds, 100) {
            let question = Question(.usual, from: &generator)
            guard let answer = try? question.ask(subject) else { break }
            question.report(answer, to: subject, from: &generator)
        }
        let fresh = Question.policy(try make(seed))
        let unknown = PolicyState(schema: "no-such-layout/0", bytes: [1, 2, 3])
        if (try? fresh.importState(unknown)) != nil {
            return violation("state", "takes state of an unknown layout")
        }
        guard let exported = Question.policy(subject).exportState() else { return nil }
        let heir = Question.policy(try make(seed))
        do throws(PolicyError) {
            try heir.importState(exported)
        } catch {
            return violation("state", "refuses its own state: \(error.description)")
        }
        guard heir.exportState() == exported else {
            return violation("state", "exports other state than it has imported")
        }
        try survivesDamage(exported, from: &generator)
        return nil
    }

    /// A trap ends the test process, so there is nothing to answer.
    private func survivesDamage(
        _ state: PolicyState, from generator: inout SeededGenerator
    ) throws {
        let question = Question(.usual, from: &generator)
        for _ in 0..<min(rounds, 100) {
            var damaged = state
            if generator.chance(oneIn: 2) {
                damaged.bytes = Array(
                    damaged.bytes.prefix(generator.integer(0...state.bytes.count)))
            }
            if let index = damaged.bytes.indices.randomElement(using: &generator) {
                damaged.bytes[index] = UInt8.random(in: 0...255, using: &generator)
            }
            let heir = try make(seed)
            try? Question.policy(heir).importState(damaged)
            _ = try? question.ask(heir)
        }
    }

    private func smallest(_ question: Question, rule: String) throws -> Violation {
        let small = question.shortened { candidate in
            guard let subject = try? make(seed) else { return false }
            return candidate.fault(of: subject) != nil
        }
        return violation(rule, small.fault(of: try make(seed)) ?? "not reproducible", small)
    }
}

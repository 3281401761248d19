// SPDX-License-Identifier: Apache-2.0

public import PolicyKit

/// One rule of a policy's kind, to be put to it by itself.
public struct ConformanceCheck {
    /// The rule, as `deterministic`; the ``Violation/rule`` of what it finds, unless the policy cannot
    /// be made at all.
    public let rule: String

    /// What the rule asks of a policy, in a few words.
    public let meaning: String

    private let seed: UInt64
    private let body: () throws -> Violation?

    init(
        _ rule: String, _ meaning: String, seed: UInt64, _ body: @escaping () throws -> Violation?
    ) {
        self.rule = rule
        self.meaning = meaning
        self.seed = seed
        self.body = body
    }

    /// What the policy does against the rule; `nil` where nothing was found.
    public func run() -> Violation? {
        do {
            return try body()
        } catch {
            return Violation(
                rule: "makeable", detail: "cannot be made with its default parameters: \(error)",
                seed: seed, input: "")
        }
    }
}

extension PolicyConformance {
    /// The checks of a policy type one by one, for whoever shows them as they go.
    ///
    /// They find what ``violations(of:values:sources:)`` finds.
    public func checks(
        of type: any Policy.Type, values: [String: ParameterValue] = [:],
        sources: GateSources? = nil
    ) -> [ConformanceCheck] {
        let declared = ConformanceCheck(
            "declared", "name, version, kind and parameters are as they must be", seed: seed
        ) {
            type.declarationViolation.map {
                Violation(rule: "declared", detail: $0.description, seed: seed, input: "")
            }
        }
        guard type.declarationViolation == nil else { return [declared] }
        let make = Maker(type: type, values: values)
        return [declared] + checks(ofKind: type.kind, make, sources)
    }

    /// The processor time of each of many calls with questions of the usual size.
    ///
    /// - Parameters:
    ///   - type: What is measured.
    ///   - values: Its parameters.
    ///   - clock: The processor time that this thread has used.
    /// - Returns: the times, sorted; none for a kind that is not bound in time.
    /// - Throws: what the policy throws.
    public func callTimes(
        of type: any Policy.Type, values: [String: ParameterValue] = [:],
        clock: () -> Duration
    ) throws -> [Duration] {
        let make = Maker(type: type, values: values)
        return switch type.kind {
        case .batching: try checks(BatchingQuestion.self, make).callTimes(clock)
        case .fairness: try checks(FairnessQuestion.self, make).callTimes(clock)
        case .dispatch: try checks(DispatchQuestion.self, make).callTimes(clock)
        case .migration: try checks(MigrationQuestion.self, make).callTimes(clock)
        case .residency: try checks(ResidencyQuestion.self, make).callTimes(clock)
        default: []
        }
    }

    private func checks<Question: PolicyQuestion>(
        _ question: Question.Type, _ make: Maker
    ) -> PolicyChecks<Question> {
        PolicyChecks(seed: seed, rounds: rounds) { (seed: UInt64) throws -> Question.Subject in
            try make.made(Question.Subject.self, seed)
        }
    }

    private func checks(
        ofKind kind: PolicyKind, _ make: Maker, _ sources: GateSources?
    ) -> [ConformanceCheck] {
        switch kind {
        case .batching:
            let closed = ClosedLoopChecks(seed: seed) { seed in
                try make.made((any BatchingPolicy).self, seed)
            }
            return checks(BatchingQuestion.self, make).list + closed.list
        case .fairness: return checks(FairnessQuestion.self, make).list
        case .dispatch: return checks(DispatchQuestion.self, make).list
        case .migration: return checks(MigrationQuestion.self, make).list
        case .residency: return checks(ResidencyQuestion.self, make).list
        case .gating: return [gatingCheck(make, sources)]
        @unknown default: return []
        }
    }

    private func gatingCheck(_ make: Maker, _ sources: GateSources?) -> ConformanceCheck {
        let meaning = "weights depend on nothing but a sequence's own past"
        return ConformanceCheck("sound", meaning, seed: seed) {
            let found = gating(sources: sources) { seed in
                try make.made((any GatingPolicy).self, seed)
            }
            return found.first
        }
    }
}

/// Makes instances of a policy type that is known at run time only.
private struct Maker {
    let make: (UInt64) throws -> any Policy

    init(type: any Policy.Type, values: [String: ParameterValue]) {
        make = { seed in try PolicyConformance.instance(of: type, values: values, seed: seed) }
    }

    func made<Kind>(_ kind: Kind.Type, _ seed: UInt64) throws -> Kind {
        guard let policy = try make(seed) as? Kind else {
            throw PolicyError("it does not conform to the protocol of its kind")
        }
        return policy
    }
}

extension PolicyChecks {
    /// The checks by name.
    var list: [ConformanceCheck] {
        [
            ConformanceCheck("total", "answers nothing, one and ten thousand", seed: seed) {
                try totality()
            },
            ConformanceCheck("valid", "keeps the rules of its kind, always", seed: seed) {
                try validity()
            },
            ConformanceCheck(
                "deterministic", "the same seed and history, the same answers", seed: seed
            ) { try determinism() },
            ConformanceCheck(
                "state", "comes through a reload; damaged state is refused", seed: seed
            ) { try state() },
        ]
    }

    /// How long each call takes, sorted.
    func callTimes(_ clock: () -> Duration) throws -> [Duration] {
        var generator = SeededGenerator(seed: seed &+ 6)
        let subject = try make(seed)
        var times: [Duration] = []
        for _ in 0..<rounds {
            let question = Question(.usual, from: &generator)
            let start = clock()
            try question.decide(subject)
            times.append(clock() - start)
            let answer = try question.ask(subject)
            question.report(answer, to: subject, from: &generator)
        }
        return times.sorted()
    }
}

extension ClosedLoopChecks {
    /// The checks by name.
    var list: [ConformanceCheck] {
        [
            ConformanceCheck("serves everyone", "every request comes to its end", seed: seed) {
                try completion()
            },
            ConformanceCheck(
                "serves whom it must", "whom fairness puts first comes to an end", seed: seed
            ) { try urgency() },
        ]
    }
}

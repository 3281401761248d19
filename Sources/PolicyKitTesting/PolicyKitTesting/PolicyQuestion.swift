// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// How large a random question is.
enum QuestionSize: CaseIterable {
    case empty
    case single
    case usual
    /// Ten thousand of whatever the policy chooses among.
    case huge

    func count(from generator: inout SeededGenerator) -> Int {
        switch self {
        case .empty: 0
        case .single: 1
        case .usual: generator.skewed(upTo: 60)
        case .huge: 10_000
        }
    }
}

/// One valid question to a policy of one kind, with the rules for its answer.
protocol PolicyQuestion {
    /// The existential type of the kind, as `any BatchingPolicy`.
    associatedtype Subject
    associatedtype Answer: Equatable

    /// A random question.
    init(_ size: QuestionSize, from generator: inout SeededGenerator)

    func ask(_ subject: Subject) throws(PolicyError) -> Answer

    /// What of ``ask(_:)`` the host waits for, and so measures.
    func decide(_ subject: Subject) throws(PolicyError)

    /// The rule that the answer breaks, in words.
    func violation(of answer: Answer) -> String?

    /// Tells the policy what came of its answer, where its kind is told.
    func report(_ answer: Answer, to subject: Subject, from generator: inout SeededGenerator)

    /// The smallest question like this one that still fails.
    func shortened(stillFails: (Self) -> Bool) -> Self

    /// The question in words, one fact per line.
    var text: String { get }

    static func policy(_ subject: Subject) -> any Policy
}

extension PolicyQuestion {
    func decide(_ subject: Subject) throws(PolicyError) { _ = try ask(subject) }

    /// What is wrong with the policy's answer; `nil` where it is right.
    func fault(of subject: Subject) -> String? {
        do throws(PolicyError) {
            return violation(of: try ask(subject))
        } catch {
            return "throws on valid input: \(error.description)"
        }
    }
}

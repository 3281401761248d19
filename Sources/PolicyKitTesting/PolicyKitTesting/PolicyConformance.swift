// SPDX-License-Identifier: Apache-2.0

public import PolicyKit

/// Checks a policy against the rules of its kind.
///
/// ```swift
/// @Test func conforms() {
///     #expect(PolicyConformance(seed: 1).violations(of: MyPolicy.self) == [])
/// }
/// ```
/// Random but valid questions are put to instances of the policy; each violation names the seed and
/// the smallest question found that shows it. A policy that traps ends the test process.
public struct PolicyConformance: Sendable {
    /// Decides all questions; the same seed asks the same.
    public var seed: UInt64

    /// Questions per rule.
    public var rounds: Int

    public init(seed: UInt64, rounds: Int = 1_000) {
        self.seed = seed
        self.rounds = rounds
    }

    /// Gives what a gate of a random mixture is made from. The sources that it gets have the
    /// experts' factors and no files.
    public typealias GateSources = (MixtureDescription, any MixtureSources) throws ->
        any MixtureSources

    /// The violations of a policy type, made with `values` and the defaults of the other
    /// parameters; empty where it conforms. A gating policy that reads files gets them from
    /// `sources`.
    public func violations(
        of type: any Policy.Type, values: [String: ParameterValue] = [:],
        sources: GateSources? = nil
    ) -> [Violation] {
        if let error = type.declarationViolation {
            return [
                Violation(rule: "declared", detail: error.description, seed: seed, input: "")
            ]
        }
        return violations(ofKind: type.kind, sources: sources) { seed in
            try Self.instance(of: type, values: values, seed: seed)
        }
    }

    /// The violations of batching policies that `make` makes, given a seed.
    public func batching(_ make: @escaping (UInt64) throws -> any BatchingPolicy) -> [Violation] {
        let checks = PolicyChecks<BatchingQuestion>(seed: seed, rounds: rounds, make: make)
        let found = checks.run()
        return found.isEmpty ? ClosedLoopChecks(seed: seed, make: make).run() : found
    }

    /// The violations of fairness policies that `make` makes, given a seed.
    public func fairness(_ make: @escaping (UInt64) throws -> any FairnessPolicy) -> [Violation] {
        PolicyChecks<FairnessQuestion>(seed: seed, rounds: rounds, make: make).run()
    }

    /// The violations of dispatch policies that `make` makes, given a seed.
    public func dispatch(_ make: @escaping (UInt64) throws -> any DispatchPolicy) -> [Violation] {
        PolicyChecks<DispatchQuestion>(seed: seed, rounds: rounds, make: make).run()
    }

    /// The violations of migration policies that `make` makes, given a seed; what they solve elsewhere
    /// is solved at once.
    public func migration(_ make: @escaping (UInt64) throws -> any MigrationPolicy) -> [Violation] {
        PolicyChecks<MigrationQuestion>(seed: seed, rounds: rounds, make: make).run()
    }

    /// The violations of residency policies that `make` makes, given a seed.
    public func residency(_ make: @escaping (UInt64) throws -> any ResidencyPolicy) -> [Violation] {
        PolicyChecks<ResidencyQuestion>(seed: seed, rounds: rounds, make: make).run()
    }

    /// The violations of gating policies that `make` makes, given a seed: their gates' weights do
    /// not depend on how rows are cut into calls, nor on the rows of other sequences, nor on later
    /// rows; and masked experts count nothing. Files come from `sources`.
    public func gating(
        sources: GateSources? = nil, _ make: @escaping (UInt64) throws -> any GatingPolicy
    ) -> [Violation] {
        GateChecks(seed: seed, rounds: max(1, rounds / 20), sources: sources, make: make).run()
    }

    private func violations(
        ofKind kind: PolicyKind, sources: GateSources?,
        _ make: @escaping (UInt64) throws -> any Policy
    ) -> [Violation] {
        switch kind {
        case .batching: batching { try Self.cast(try make($0)) }
        case .fairness: fairness { try Self.cast(try make($0)) }
        case .dispatch: dispatch { try Self.cast(try make($0)) }
        case .migration: migration { try Self.cast(try make($0)) }
        case .residency: residency { try Self.cast(try make($0)) }
        case .gating: gating(sources: sources) { try Self.cast(try make($0)) }
        @unknown default:
            [
                Violation(
                    rule: "declared", detail: "there is no check for the kind \(kind.rawValue)",
                    seed: seed, input: "")
            ]
        }
    }

    private static func cast<Kind>(_ policy: any Policy) throws(PolicyError) -> Kind {
        guard let policy = policy as? Kind else {
            throw PolicyError("it does not conform to the protocol of its kind")
        }
        return policy
    }

    static func instance<Opened: Policy>(
        of type: Opened.Type, values: [String: ParameterValue], seed: UInt64
    ) throws(PolicyError) -> any Policy {
        try Opened(parameters: Opened.Parameters(values: values), seed: seed)
    }
}

// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What a policy did to earn a strike.
package enum PolicyFault: String, CaseIterable, Sendable {
    /// It threw.
    case threw
    /// Its answer broke a rule of its contract.
    case badAnswer
    /// Its answer was good but took longer than its time budget.
    case overran
    /// It kept planning nothing though requests could run.
    case heldBack
}

/// One offence of a policy.
package struct PolicyStrike: Sendable, Equatable {
    package var fault: PolicyFault
    package var at: Instant

    /// What was wrong, for the log.
    package var message: String
}

/// When a policy is set aside, and for how long.
package struct ContainmentRules: Sendable, Equatable {
    /// The longest that a call may take without a strike.
    package var budget: Duration = .milliseconds(1)

    /// Strikes within `window` that cost the policy its place.
    package var strikes = 3
    package var window: Duration = .seconds(10)

    /// How long it is set aside the first time; doubles up to `longestCoolDown`.
    package var coolDown: Duration = .seconds(30)
    package var longestCoolDown: Duration = .seconds(600)

    package init() {}
}

/// Who answers in place of whom, for status, metrics and log.
package struct PolicyStatus: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        /// The policy answers. Can transition to `fallenBack`.
        case active
        /// The built-in default answers until then. Can transition to `trial`.
        case fallenBack(until: Instant)
        /// The policy answers again, and one strike ends it. Can transition to `active`,
        /// `fallenBack`.
        case trial
    }

    /// The name of the instance in the manifest, or the type of the built-in default.
    package var name: String
    package var kind: PolicyKind
    package var state: State = .active

    /// Strikes in all, and how often the built-in default took over.
    package var strikes = 0
    package var fallBacks = 0
    package var lastStrike: PolicyStrike?

    /// Calls of the policy itself, not of the default in its place, and the time spent in them.
    package var calls = 0
    package var time: Duration = .zero
    package var longestCall: Duration = .zero
}

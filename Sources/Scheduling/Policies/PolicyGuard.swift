// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A policy with the name that the manifest gave it.
package struct NamedPolicy<Instance> {
    package var name: String
    package var policy: Instance

    package init(name: String, policy: Instance) {
        self.name = name
        self.policy = policy
    }
}

/// Reads the clock of whoever drives the policies: the host's monotonic clock, or a constant.
package typealias PolicyClock = () -> Instant

/// Is told when a policy of the manifest is entered and left, so that a process which dies in between
/// can say of what.
package struct PolicyWitness {
    package var enter: () -> Void
    package var leave: () -> Void

    package init(enter: @escaping () -> Void, leave: @escaping () -> Void) {
        self.enter = enter
        self.leave = leave
    }
}

/// Stands between the scheduler and one policy: times each call, counts strikes, and puts the
/// built-in default in its place for a while.
///
/// A call is `begin`, the call itself, `returned`, then `settle` with what was wrong. After
/// `rules.strikes` strikes within `rules.window` the built-in default answers for a cool-down. Then
/// the policy is tried again: one strike within a window sets it aside for twice as long. A policy
/// that stays well for as long as it had been set aside begins anew.
package struct PolicyGuard<Instance> {
    /// One call under way.
    package struct Call {
        /// Whom to ask.
        package let policy: Instance

        /// Whether that is the built-in default, whose answers need no check and cost no strikes.
        package let isBuiltIn: Bool

        fileprivate let began: Instant
        fileprivate var took: Duration = .zero
    }

    /// The built-in default, for answers that must be replaced.
    package let builtIn: Instance

    package private(set) var status: PolicyStatus

    /// Who is told of the calls of the policy of the manifest.
    var witness: PolicyWitness?

    /// The policy of the manifest, whether or not it is set aside.
    let chosen: Instance?

    /// When the policy is set aside; a change holds from the next call on.
    var rules: ContainmentRules
    private let clock: PolicyClock
    private var recentStrikes: [Instant] = []
    private var stateSince = Instant(nanoseconds: .min)

    /// How long it was set aside last; zero where it has stayed well since.
    private var lastCoolDown: Duration = .zero

    /// Guards the policy of the manifest; without one the built-in default is the policy, and
    /// nothing is ever set aside.
    package init(
        _ chosen: NamedPolicy<Instance>?, builtIn: NamedPolicy<Instance>, kind: PolicyKind,
        rules: ContainmentRules, clock: @escaping PolicyClock
    ) {
        self.builtIn = builtIn.policy
        self.chosen = chosen?.policy
        self.rules = rules
        self.clock = clock
        self.status = PolicyStatus(name: chosen?.name ?? builtIn.name, kind: kind)
    }

    /// Says whom to ask now and starts the clock.
    package mutating func begin(at now: Instant) -> Call {
        guard let chosen else { return beginBuiltIn() }
        advance(to: now)
        if case .fallenBack = status.state { return beginBuiltIn() }
        witness?.enter()
        return Call(policy: chosen, isBuiltIn: false, began: clock())
    }

    /// Starts the clock for the built-in default, whoever's turn it is.
    package func beginBuiltIn() -> Call {
        Call(policy: builtIn, isBuiltIn: true, began: clock())
    }

    /// Stops the clock; what the scheduler does after this is not on the policy's account.
    package func returned(_ call: inout Call) {
        call.took = max(.zero, call.began.duration(to: clock()))
        if !call.isBuiltIn { witness?.leave() }
    }

    /// Accounts for a call; `fault` is what was wrong besides its time.
    ///
    /// - Returns: whether the built-in default took over with this call.
    @discardableResult
    package mutating func settle(
        _ call: Call, fault: (PolicyFault, String)? = nil, at now: Instant
    ) -> Bool {
        guard call.isBuiltIn == (chosen == nil) else { return false }
        status.calls += 1
        status.time += call.took
        status.longestCall = max(status.longestCall, call.took)
        guard chosen != nil else { return false }
        if let (fault, message) = fault { return strike(fault, message, at: now) }
        guard call.took > rules.budget else { return false }
        return strike(.overran, "took \(call.took), its budget is \(rules.budget)", at: now)
    }

    /// Counts a strike for what no single call shows.
    @discardableResult
    package mutating func strike(
        _ fault: PolicyFault, _ message: String, at now: Instant
    ) -> Bool {
        guard chosen != nil else { return false }
        status.strikes += 1
        status.lastStrike = PolicyStrike(fault: fault, at: now, message: message)
        let window = rules.window
        recentStrikes.removeAll { $0.duration(to: now) > window }
        recentStrikes.append(now)
        guard status.state == .trial || recentStrikes.count >= rules.strikes else { return false }
        fallBack(at: now)
        return true
    }

    private mutating func fallBack(at now: Instant) {
        if case .fallenBack = status.state { return }
        status.fallBacks += 1
        lastCoolDown =
            lastCoolDown == .zero
            ? rules.coolDown : min(lastCoolDown * 2, rules.longestCoolDown)
        status.state = .fallenBack(until: now.advanced(by: lastCoolDown))
        recentStrikes.removeAll(keepingCapacity: true)
    }

    private mutating func advance(to now: Instant) {
        switch status.state {
        case .active:
            if lastCoolDown > .zero, stateSince.duration(to: now) >= lastCoolDown {
                lastCoolDown = .zero
            }
        case .fallenBack(let until):
            guard now >= until else { return }
            status.state = .trial
            stateSince = now
        case .trial:
            guard stateSince.duration(to: now) > rules.window else { return }
            status.state = .active
            stateSince = now
        }
    }
}

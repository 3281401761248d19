// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([CreditFairness.self])
}

/// Credits against starvation (dLoRA, OSDI '24, Appendix A.1, Algorithm 3), in seconds of service.
final class CreditFairness: FairnessPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "credit-fairness", version: "1.0.0",
            summary: "Adapters that run out of turn owe the displaced ones their time; who is owed "
                + "much goes first, who owes too much may not be merged on; dLoRA's Algorithm 3.")
    }

    /// Accounts kept at most, besides those of adapters that have requests.
    private static let mostAccounts = 4_096

    /// An iteration counts for this much at most, an hour, whatever was measured.
    private static let longestStep: Int64 = 3_600_000_000_000

    private let starvation: Int64
    private let recovery: Int64
    private let memory: Duration
    private var ledger = Ledger()

    /// An exponentially weighted mean of the time of an iteration, in nanoseconds.
    private var stepTime: Int64 = 0

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        guard parameters.recovery < parameters.starvation else {
            throw PolicyError(
                "recovery, \(parameters.recovery), must be less than starvation, "
                    + "\(parameters.starvation)")
        }
        self.starvation = parameters.starvation.saturatingNanoseconds
        self.recovery = parameters.recovery.saturatingNanoseconds
        self.memory = parameters.memory
    }

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        let shown = adapters(of: requests)
        for adapter in shown { ledger.see(adapter, at: context.now) }
        ledger.close(
            notSeenSince: context.now.advanced(by: .zero - memory), most: Self.mostAccounts,
            now: context.now)
        ledger.updateStates(starvation: starvation, recovery: recovery)
        let accounts = shown.compactMap { ledger[$0] }
        arrangement.mustServe = accounts.filter(\.isStarving)
            .sorted { ($1.credit, $0.adapter) < ($0.credit, $1.adapter) }
            .map(\.adapter)
        if !arrangement.mustServe.isEmpty {
            arrangement.order = order(requests, first: arrangement.mustServe)
        }
        arrangement.notMergeable = poor(accounts, requests, in: context)
        if context.wantsReason { arrangement.reason = reason(of: arrangement) }
    }

    /// The adapters that requests name, in the order of their first request.
    private func adapters(of requests: Span<RequestSnapshot>) -> [AdapterID] {
        var seen: Set<AdapterID> = []
        var adapters: [AdapterID] = []
        var last: AdapterID?
        for index in requests.indices where requests[index].adapter != last {
            last = requests[index].adapter
            if seen.insert(requests[index].adapter).inserted {
                adapters.append(requests[index].adapter)
            }
        }
        return adapters
    }

    /// Requests of starving adapters first, so that they also keep their pages longest.
    private func order(_ requests: Span<RequestSnapshot>, first: [AdapterID]) -> [Int] {
        var turn: [AdapterID: Int] = [:]
        for (index, adapter) in first.enumerated() { turn[adapter] = index }
        var turns = [[Int]](repeating: [], count: first.count + 1)
        for index in requests.indices {
            turns[turn[requests[index].adapter] ?? first.count].append(index)
        }
        return Array(turns.joined())
    }

    /// Adapters that could not pay for one more iteration in which they displace all others of the
    /// first-come-first-served batch.
    ///
    /// An adapter may owe as much as brings each of the others to starvation, no more: the paper
    /// starts all n with n − 1 times what starvation takes, and lets nobody go below zero.
    private func poor(
        _ accounts: [Ledger.Account], _ requests: Span<RequestSnapshot>,
        in context: FairnessContext
    ) -> Set<AdapterID> {
        // Only who owes something can owe too much.
        let debtors = accounts.filter { $0.credit < 0 && !$0.adapter.isBase }
        if debtors.isEmpty { return [] }
        var batch: Set<AdapterID> = []
        for entry in BatchFilling(requests, limits: context.limits).entries {
            batch.insert(requests[entry.index].adapter)
        }
        let others = Int64(ledger.accounts.count - 1)
        let (limit, overflow) = starvation.multipliedReportingOverflow(by: others)
        var poor: Set<AdapterID> = []
        for account in debtors {
            let displaced = batch.count - (batch.contains(account.adapter) ? 1 : 0)
            let price = stepTime * Int64(displaced)
            if displaced > 0, !overflow, price > limit + account.credit {
                poor.insert(account.adapter)
            }
        }
        return poor
    }

    private func reason(of arrangement: FairnessArrangement) -> String {
        let starving = arrangement.mustServe.map { adapter in
            "\(adapter.rawValue) is owed \(milliseconds(adapter)) ms > \(starvation / 1_000_000)"
        }
        let poor = arrangement.notMergeable.sorted().map { adapter in
            "\(adapter.rawValue) owes \(-milliseconds(adapter)) ms, not mergeable"
        }
        return (starving + poor).joined(separator: "; ")
    }

    private func milliseconds(_ adapter: AdapterID) -> Int64 {
        (ledger[adapter]?.credit ?? 0) / 1_000_000
    }

    // MARK: - Settling

    /// Each displaced adapter is paid the iteration's time once, however many of its requests were
    /// passed over: an adapter waits one second in a second.
    func settle(_ settlement: ServiceSettlement) {
        let step = settlement.step
        let measured = max(0, (step.stepTime + step.mergeTime).saturatingNanoseconds)
        let time = min(measured, Self.longestStep)
        stepTime = stepTime == 0 ? time : stepTime + (time - stepTime) / 8
        if settlement.displaced.isEmpty { return }
        // Where the batch was only made smaller, those who ran alone have the good of it.
        var payers = shares(of: settlement.advanced)
        if payers.isEmpty { payers = shares(of: step.served) }
        let displaced = shares(of: settlement.displaced).map(\.adapter)
        ledger.transfer(time, to: displaced, from: payers, at: settlement.now)
    }

    private func shares(of requests: [RequestSnapshot]) -> [Ledger.Share] {
        var shares: [Ledger.Share] = []
        for adapter in requests.map(\.adapter).sorted() {
            if shares.last?.adapter == adapter {
                shares[shares.count - 1].requests += 1
            } else {
                shares.append(Ledger.Share(adapter: adapter, requests: 1))
            }
        }
        return shares
    }

    // MARK: - State

    func exportState() -> PolicyState? {
        SavedCredits(accounts: ledger.accounts, stepTime: stepTime).exported
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        let saved = try SavedCredits(state, longestStep: Self.longestStep)
        guard let ledger = Ledger(saved.accounts) else {
            throw PolicyError("the credits kept do not add up to zero")
        }
        self.ledger = ledger
        self.stepTime = saved.stepTime
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What a decision was made on: when it changes, it is made anew.
struct Circumstances: Equatable {
    let keepsOrder: Bool
    private let copies: MergedCopiesSnapshot
    private let mustServe: [AdapterID]
    private let notMergeable: Set<AdapterID>
    private let count: Int
    private let identities: UInt64

    init(_ requests: Span<RequestSnapshot>, in context: BatchingContext, keepsOrder: Bool) {
        self.keepsOrder = keepsOrder
        copies = context.copies
        mustServe = context.mustServe
        notMergeable = context.notMergeable
        count = requests.count
        var identities: UInt64 = 0
        for index in requests.indices {
            // Spread, so that two changes at once do not look like none.
            let id = requests[index].id.rawValue &* 0x9E37_79B9_7F4A_7C15
            identities ^= id ^ (id >> 29)
            if requests[index].isAdapterResident { identities &+= id << 1 }
        }
        self.identities = identities
    }
}

/// What is done until something changes.
struct Decision {
    var schedule = Schedule.inOrder

    /// The adapter whose copy is to be built meanwhile.
    var prepares: AdapterID?
    var reason = "in order"

    /// Iterations planned under it.
    var iterations = 0
    private var circumstances: Circumstances?

    /// Iterations after which it is made anew though nobody came or left.
    private static let lifetime = 8

    init() {}

    init(circumstances: Circumstances) { self.circumstances = circumstances }

    func isDue(under circumstances: Circumstances) -> Bool {
        iterations >= Self.lifetime || circumstances != self.circumstances
    }
}

/// Copies that were asked for and that the host does not build, as it could not build them once.
struct CopyWishes {
    private(set) var unbuildable: Set<AdapterID> = []
    private var asked: AdapterID?
    private var refusals = 0

    /// A host that has room begins at once, so this many are no accident.
    private static let patience = 16
    private static let most = 256

    /// Takes note of how copies stand after the last plan.
    mutating func note(_ copies: MergedCopiesSnapshot) {
        guard let asked, copies.building == nil, !copies.ready.contains(asked) else {
            refusals = 0
            return
        }
        refusals += 1
        guard refusals >= Self.patience else { return }
        refusals = 0
        if unbuildable.count >= Self.most { unbuildable.removeAll() }
        unbuildable.insert(asked)
    }

    mutating func ask(for adapter: AdapterID?) {
        if adapter != asked { refusals = 0 }
        asked = adapter
    }
}

extension LookaheadBatching {
    /// Fills the iteration as the schedule says, or in order where that would leave it nearly empty.
    func carryOut(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) {
        plan.prepares = decision.prepares
        plan.mode = decision.schedule.mode
        switch decision.schedule {
        case .inOrder, .mixed:
            plan.entries = inOrder(requests, in: context)
        case .first(let adapter), .mixedFirst(let adapter):
            plan.entries = first(adapter, requests, limits: context.limits)
        case .merged(let adapter):
            plan.entries = alone(adapter, requests, limits: context.limits)
            guard isHeldUp(plan.entries, adapter, requests, limits: context.limits) else { return }
            // The pages that it waits for come free only when others go on.
            let all = inOrder(requests, in: context)
            if plan.entries.isEmpty || all.count > 2 * plan.entries.count {
                plan.entries = all
                plan.mode = .unmerged
            }
        }
    }

    private func inOrder(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext
    ) -> [BatchPlan.Entry] {
        BatchFilling(requests, urgent: context.mustServe, limits: context.limits).entries
    }

    /// Those that run, then those of the adapter that wait, then all others.
    private func first(
        _ adapter: AdapterID, _ requests: Span<RequestSnapshot>, limits: BatchLimits
    ) -> [BatchPlan.Entry] {
        var running: [Int] = []
        var own: [Int] = []
        var others: [Int] = []
        for index in requests.indices {
            if requests[index].phase != .waiting {
                running.append(index)
            } else if requests[index].adapter == adapter {
                own.append(index)
            } else {
                others.append(index)
            }
        }
        var batch = BatchFilling(limits: limits)
        for turn in [running, own, others] { batch.fill(turn, of: requests) }
        return batch.entries
    }

    private func alone(
        _ adapter: AdapterID, _ requests: Span<RequestSnapshot>, limits: BatchLimits
    ) -> [BatchPlan.Entry] {
        var own: [Int] = []
        var isAnyoneElseRunning = false
        for index in requests.indices {
            if requests[index].adapter == adapter {
                own.append(index)
            } else if requests[index].phase != .waiting {
                isAnyoneElseRunning = true
            }
        }
        var batch = BatchFilling(limits: limits)
        batch.fill(own, of: requests, beginning: isAnyoneElseRunning ? .whole : .aloneOrWhole)
        return batch.entries
    }

    /// Whether fewer of the adapter's requests run than the limits of requests and tokens let.
    private func isHeldUp(
        _ entries: [BatchPlan.Entry], _ adapter: AdapterID, _ requests: Span<RequestSnapshot>,
        limits: BatchLimits
    ) -> Bool {
        if entries.count >= limits.requests { return false }
        if entries.reduce(0, { $0 + $1.tokens }) >= limits.tokens { return false }
        let own = requests.indices.count { requests[$0].adapter == adapter }
        return entries.count < own
    }
}

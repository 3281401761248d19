// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The credits of all adapters: what others owe them in nanoseconds of service. They add up to zero
/// at all times, exactly.
struct Ledger: Equatable {
    /// One adapter's account; that of the base is one like others.
    struct Account: Equatable {
        var adapter: AdapterID

        /// Nanoseconds of service: owed to the adapter where positive, by it where negative.
        var credit: Int64 = 0

        /// Whether it is served before others (`l.state` of Algorithm 3).
        var isStarving = false

        /// When requests of it were shown last.
        var lastSeen: Instant
    }

    /// One adapter's part in a settlement.
    struct Share: Equatable {
        var adapter: AdapterID
        var requests: Int
    }

    /// All credit that is owed stays below this, 36 years, so that nothing overflows.
    static let mostOwed: Int64 = 1 << 60

    /// In the order in which they were opened.
    private(set) var accounts: [Account] = []
    private var positions: [AdapterID: Int] = [:]

    init() {}

    /// A ledger of accounts that were kept, or `nil` where they are no such: an adapter with two
    /// accounts, credits that do not add up to zero, or more than all the time there is.
    init?(_ accounts: [Account]) {
        var sum: Int64 = 0
        var owed: Int64 = 0
        for account in accounts {
            guard positions[account.adapter] == nil, account.credit.magnitude < Self.mostOwed else {
                return nil
            }
            positions[account.adapter] = positions.count
            let (total, overflow) = sum.addingReportingOverflow(account.credit)
            let (due, tooMuch) = owed.addingReportingOverflow(max(0, account.credit))
            guard !overflow, !tooMuch, due < Self.mostOwed else { return nil }
            (sum, owed) = (total, due)
        }
        guard sum == 0 else { return nil }
        self.accounts = accounts
    }

    subscript(adapter: AdapterID) -> Account? { positions[adapter].map { accounts[$0] } }

    /// What is owed to all adapters together.
    private var owed: Int64 { accounts.reduce(0) { $0 + max(0, $1.credit) } }

    /// Opens the adapter's account where it has none, and notes that it is alive.
    mutating func see(_ adapter: AdapterID, at now: Instant) {
        accounts[position(of: adapter, at: now)].lastSeen = now
    }

    private mutating func position(of adapter: AdapterID, at now: Instant) -> Int {
        if let position = positions[adapter] { return position }
        positions[adapter] = accounts.count
        accounts.append(Account(adapter: adapter, lastSeen: now))
        return accounts.count - 1
    }

    // MARK: - Transfers

    /// Moves `time` to each of the displaced adapters, from the payers in proportion to their
    /// requests (`transfer_credit` of Algorithm 3).
    mutating func transfer(
        _ time: Int64, to displaced: [AdapterID], from payers: [Share], at now: Instant
    ) {
        guard !displaced.isEmpty, !payers.isEmpty, time > 0 else { return }
        let (price, overflow) = time.multipliedReportingOverflow(by: Int64(displaced.count))
        // Past all the time there is, nothing is owed in addition.
        guard !overflow, price < Self.mostOwed - owed else { return }
        let parts = Self.parts(of: price, by: payers.map { Int64($0.requests) })
        for (payer, part) in zip(payers, parts) {
            accounts[position(of: payer.adapter, at: now)].credit -= part
        }
        for adapter in displaced { accounts[position(of: adapter, at: now)].credit += time }
    }

    /// Parts of `amount` in proportion to `weights`, which add up to it exactly; what rounding
    /// leaves goes to the first, one each. The sum of the weights is positive and does not overflow.
    static func parts(of amount: Int64, by weights: [Int64]) -> [Int64] {
        let whole = weights.reduce(0, +)
        var left = amount
        var parts = weights.map { weight in
            let part = whole.dividingFullWidth(amount.multipliedFullWidth(by: weight)).quotient
            left -= part
            return part
        }
        for index in parts.indices where left > 0 && weights[index] > 0 {
            parts[index] += 1
            left -= 1
        }
        return parts
    }

    // MARK: - States

    /// Lets adapters become starving and recover, with two thresholds against flutter.
    mutating func updateStates(starvation: Int64, recovery: Int64) {
        for index in accounts.indices {
            if accounts[index].isStarving {
                accounts[index].isStarving = accounts[index].credit >= recovery
            } else {
                accounts[index].isStarving = accounts[index].credit > starvation
            }
        }
    }

    // MARK: - Closing

    /// Closes the accounts of adapters not seen since `earliest`, and further ones not seen `now`,
    /// the longest unseen first, while there are more than `most`.
    ///
    /// What is left in them is settled with the others: a debt by those to whom something is owed,
    /// a claim by those who owe, each in proportion to their own credit. So no credit changes its
    /// sign, and the sum stays zero.
    mutating func close(notSeenSince earliest: Instant, most: Int, now: Instant) {
        var leaving = accounts.indices.filter { accounts[$0].lastSeen < earliest }
        let excess = accounts.count - leaving.count - most
        if excess > 0 {
            let unseen = accounts.indices.filter {
                accounts[$0].lastSeen >= earliest && accounts[$0].lastSeen != now
            }
            let oldest = unseen.sorted {
                (accounts[$0].lastSeen, accounts[$0].adapter)
                    < (accounts[$1].lastSeen, accounts[$1].adapter)
            }
            leaving += oldest.prefix(excess)
        }
        if !leaving.isEmpty { close(Set(leaving)) }
    }

    private mutating func close(_ leaving: Set<Int>) {
        let rest = leaving.reduce(Int64(0)) { $0 + accounts[$1].credit }
        let sign: Int64 = rest < 0 ? 1 : -1
        let weights = accounts.indices.map { index in
            leaving.contains(index) ? 0 : max(0, sign * accounts[index].credit)
        }
        if rest != 0 {
            let parts = Self.parts(of: abs(rest), by: weights)
            for (index, part) in parts.enumerated() { accounts[index].credit -= sign * part }
        }
        accounts = accounts.indices.filter { !leaving.contains($0) }.map { accounts[$0] }
        positions.removeAll(keepingCapacity: true)
        for (index, account) in accounts.enumerated() { positions[account.adapter] = index }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The accounts as a reload keeps them: numbers of eight bytes each, the lowest byte first.
struct SavedCredits: Equatable {
    private static let schema = "credits/1"
    private static let wordsPerAccount = 4

    var accounts: [Ledger.Account]

    /// The mean time of an iteration, in nanoseconds.
    var stepTime: Int64

    init(accounts: [Ledger.Account], stepTime: Int64) {
        self.accounts = accounts
        self.stepTime = stepTime
    }

    /// Reads what ``exported`` gave.
    init(_ state: PolicyState, longestStep: Int64) throws(PolicyError) {
        guard state.schema == Self.schema else {
            throw PolicyError("credit-fairness keeps '\(Self.schema)', not '\(state.schema)'")
        }
        let (accounts, rest) = (state.bytes.count / 8 - 1)
            .quotientAndRemainder(dividingBy: Self.wordsPerAccount)
        guard state.bytes.count % 8 == 0, state.bytes.count > 0, rest == 0 else {
            throw PolicyError("the state is cut off")
        }
        let words = (0..<state.bytes.count / 8).map { word in
            (0..<8).reduce(Int64(0)) { $0 | Int64(state.bytes[8 * word + $1]) << (8 * $1) }
        }
        guard (0...longestStep).contains(words[0]) else {
            throw PolicyError("the state holds an iteration of \(words[0]) ns")
        }
        stepTime = words[0]
        self.accounts = []
        for number in 0..<accounts {
            let first = 1 + Self.wordsPerAccount * number
            guard let adapter = UInt32(exactly: words[first]), (0...1).contains(words[first + 2])
            else { throw PolicyError("the state holds an account that is none") }
            var account = Ledger.Account(
                adapter: AdapterID(rawValue: adapter),
                lastSeen: Instant(nanoseconds: words[first + 3]))
            account.credit = words[first + 1]
            account.isStarving = words[first + 2] == 1
            self.accounts.append(account)
        }
    }

    var exported: PolicyState {
        var words = [stepTime]
        for account in accounts {
            words += [
                Int64(account.adapter.rawValue), account.credit, account.isStarving ? 1 : 0,
                account.lastSeen.nanoseconds,
            ]
        }
        let bytes = words.flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
        return PolicyState(schema: Self.schema, bytes: bytes)
    }
}

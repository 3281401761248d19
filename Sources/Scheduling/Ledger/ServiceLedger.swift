// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Who got how much of a replica's service in the last minute, by adapter.
///
/// The service of a token is that of VTC (Sheng et al., OSDI '24, §4.1): 1 for a token of a prompt
/// that is computed, 2 for a token that is generated. It is divided by the adapter's weight, as in
/// weighted VTC. The window is of ``buckets`` buckets of ``bucket``; the last one is not over yet.
package struct ServiceLedger: Sendable {
    /// VTC's cost of a prompt token that is computed, and of a token that is generated.
    package static let promptTokenCost = 1.0
    package static let generatedTokenCost = 2.0

    package static let buckets = 16
    package static let bucket = Duration.seconds(4)

    private struct Account {
        let adapter: AdapterID
        var demand = AdapterDemand()

        /// By bucket; that of number n is at n modulo 16.
        var service = SIMD16<Double>.zero

        /// The last bucket in which it had unfinished requests.
        var lastActive: Int64

        /// The first bucket in which requests of it wait from beginning to end.
        var backloggedFrom: Int64?

        /// Since when it has runnable requests of which none is computed.
        var unservedSince: Instant?
        var stepsUnderWay = 0
        var lastStep = 0
        var lastEndedStep = 0
    }

    private var accounts: [Account] = []
    private var positions: [AdapterID: Int] = [:]

    /// The longest waits that ended in each bucket, in seconds.
    private var waits = SIMD16<Double>.zero
    private var current: Int64 = 0

    package init() {}

    // MARK: - Events

    /// The unfinished requests of an adapter are these from now on.
    package mutating func note(_ demand: AdapterDemand, of adapter: AdapterID, at now: Instant) {
        advance(to: now)
        guard demand.unfinished > 0 || positions[adapter] != nil else { return }
        let position = position(of: adapter)
        let wasBacklogged = accounts[position].demand.waiting > 0
        let wasRunnable = accounts[position].demand.runnable > 0
        accounts[position].demand = demand
        accounts[position].lastActive = current
        if demand.waiting == 0 {
            accounts[position].backloggedFrom = nil
        } else if !wasBacklogged {
            let isAtStart = Self.start(of: current) >= now
            accounts[position].backloggedFrom = isAtStart ? current : current + 1
        }
        if demand.runnable == 0 {
            accounts[position].unservedSince = nil
        } else if !wasRunnable, accounts[position].stepsUnderWay == 0 {
            accounts[position].unservedSince = now
        }
    }

    /// Requests of an adapter are part of a step that was handed out.
    package mutating func launched(_ adapter: AdapterID, step: Int, at now: Instant) {
        advance(to: now)
        guard let position = positions[adapter], accounts[position].lastStep != step else { return }
        accounts[position].lastStep = step
        accounts[position].stepsUnderWay += 1
        guard let since = accounts[position].unservedSince else { return }
        accounts[position].unservedSince = nil
        let place = Self.place(current)
        waits[place] = max(waits[place], since.duration(to: now).inSeconds)
    }

    /// A step that requests of an adapter were part of is over.
    package mutating func ended(_ adapter: AdapterID, step: Int, at now: Instant) {
        advance(to: now)
        guard let position = positions[adapter], accounts[position].lastEndedStep != step else {
            return
        }
        accounts[position].lastEndedStep = step
        accounts[position].stepsUnderWay = max(0, accounts[position].stepsUnderWay - 1)
        if accounts[position].stepsUnderWay == 0, accounts[position].demand.runnable > 0 {
            accounts[position].unservedSince = now
        }
    }

    /// Tokens of an adapter's requests were computed.
    package mutating func served(
        _ adapter: AdapterID, promptTokens: Int, generatedTokens: Int, at now: Instant
    ) {
        advance(to: now)
        let service =
            Self.promptTokenCost * Double(promptTokens)
            + Self.generatedTokenCost * Double(generatedTokens)
        guard service > 0 else { return }
        let position = position(of: adapter)
        accounts[position].lastActive = current
        accounts[position].service[Self.place(current)] += service
    }

    // MARK: - Inside

    private mutating func position(of adapter: AdapterID) -> Int {
        if let position = positions[adapter] { return position }
        positions[adapter] = accounts.count
        accounts.append(Account(adapter: adapter, lastActive: current))
        return accounts.count - 1
    }

    /// Begins the bucket of `now`, empties those that the window leaves behind, and forgets who has
    /// nothing in it any more.
    private mutating func advance(to now: Instant) {
        let number = Self.number(of: now)
        guard number > current else { return }
        let steps = min(number - current, Int64(Self.buckets))
        for offset in 0..<steps {
            let place = Self.place(number - offset)
            waits[place] = 0
            for position in accounts.indices { accounts[position].service[place] = 0 }
        }
        for position in accounts.indices where accounts[position].demand.unfinished > 0 {
            accounts[position].lastActive = number
        }
        current = number
        guard accounts.contains(where: isOver) else { return }
        accounts.removeAll(where: isOver)
        positions.removeAll(keepingCapacity: true)
        for position in accounts.indices { positions[accounts[position].adapter] = position }
    }

    private func isOver(_ account: Account) -> Bool {
        account.stepsUnderWay == 0 && account.lastActive <= current - Int64(Self.buckets)
    }

    private static func number(of now: Instant) -> Int64 {
        max(0, now.nanoseconds) / bucket.saturatingNanoseconds
    }

    private static func start(of number: Int64) -> Instant {
        Instant(nanoseconds: number * bucket.saturatingNanoseconds)
    }

    private static func place(_ number: Int64) -> Int { Int(number % Int64(buckets)) }
}

// MARK: - Figures

/// How evenly a replica has served its adapters in the window of its ledger.
package struct FairnessFigures: Sendable, Equatable {
    /// Adapters that had unfinished requests.
    package var adapters = 0

    /// Jain's index of their service, (Σx)² / (n Σx²): 1 where all got the same, 1/n where one got
    /// everything; 1 where nobody got anything.
    package var jainIndex = 1.0

    /// The largest difference in service between two adapters over a time in which both had requests
    /// waiting throughout (VTC, definition 4.1), in tokens; of times that begin with a bucket and
    /// last until now.
    package var largestServiceGap = 0.0

    /// The longest that an adapter with runnable requests had none of them computed: of waits that
    /// go on, and of those that ended within the window.
    package var longestUnserved = Duration.zero
}

/// What one adapter got in the window.
package struct AdapterService: Sendable, Equatable {
    package var adapter: AdapterID

    /// VTC's, divided by the weight, in tokens.
    package var service: Double
    package var isBacklogged: Bool

    /// How long it has not been served though requests of it could run.
    package var unserved: Duration?
}

extension ServiceLedger {
    /// Who got what; of all adapters that had unfinished requests in the window, by identifier.
    package func services(at now: Instant) -> [AdapterService] {
        let ledger = advanced(to: now)
        return ledger.accounts.map { account in
            AdapterService(
                adapter: account.adapter,
                service: account.service.sum() / ledger.weight(account),
                isBacklogged: account.demand.waiting > 0,
                unserved: account.unservedSince.map { $0.duration(to: now) })
        }.sorted { $0.adapter < $1.adapter }
    }

    /// How even that is.
    package func figures(at now: Instant) -> FairnessFigures {
        let ledger = advanced(to: now)
        let services = services(at: now)
        var figures = FairnessFigures()
        figures.adapters = services.count
        let sum = services.reduce(0) { $0 + $1.service }
        let squares = services.reduce(0) { $0 + $1.service * $1.service }
        if squares > 0 { figures.jainIndex = sum * sum / (Double(services.count) * squares) }
        figures.largestServiceGap = ledger.largestGap()
        let going = services.compactMap(\.unserved).max() ?? .zero
        figures.longestUnserved = max(going, .clamping(seconds: ledger.waits.max()))
        return figures
    }

    private func advanced(to now: Instant) -> ServiceLedger {
        var ledger = self
        ledger.advance(to: now)
        return ledger
    }

    /// For each time that begins with a bucket of the window and lasts until now, the difference
    /// between the most and the least served of those that were backlogged throughout.
    private func largestGap() -> Double {
        let backlogged = accounts.filter { $0.backloggedFrom != nil }
        var sums = [Double](repeating: 0, count: backlogged.count)
        var gap = 0.0
        for number in stride(
            from: current, through: max(0, current - Int64(Self.buckets) + 1), by: -1)
        {
            var (least, most) = (Double.infinity, -Double.infinity)
            for (index, account) in backlogged.enumerated() {
                sums[index] += account.service[Self.place(number)] / weight(account)
                guard let from = account.backloggedFrom, from <= number else { continue }
                least = min(least, sums[index])
                most = max(most, sums[index])
            }
            if most > least { gap = max(gap, most - least) }
        }
        return gap
    }

    private func weight(_ account: Account) -> Double {
        account.demand.weight > 0 ? account.demand.weight : 1
    }
}

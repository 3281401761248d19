// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([TokenCounterFairness.self])
}

/// The virtual token counter of Sheng et al., "Fairness in Serving Large Language Models" (OSDI
/// '24), weighted: the client that has been given least comes first.
final class TokenCounterFairness: FairnessPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "token-counter-fairness", version: "1.0.0",
            summary: "Shares tokens among clients, which are adapters or tenants, in proportion to "
                + "their weights: the virtual token counter (VTC) of Sheng et al.")
    }

    private let clients: Clients
    private let prices: Prices
    private let bound: Cost
    private var counters = ClientCounters()
    private var accounts: [RequestID: Account] = [:]

    /// Requests that have gone before the step was settled that they ended with.
    private var leaving: [RequestID: Account] = [:]
    private var turn: UInt64 = 0

    /// Clients with requests that wait, at the last arrangement.
    private var backlogged: Set<Int> = []

    /// The client whose last request in waiting began last.
    private var lastToBegin: Int?

    /// The largest prompt seen, and the most tokens that the KV pages were seen to hold.
    private var largestPrompt = 0
    private var mostTokens = 0

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        guard parameters.inputWeight + parameters.outputWeight > 0 else {
            throw PolicyError("inputWeight and outputWeight are both 0: nothing would be counted")
        }
        clients = parameters.per
        prices = Prices(input: parameters.inputWeight, output: parameters.outputWeight)
        bound = Cost(tokens: Double(parameters.bound))
    }

    // MARK: - Order

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        turn += 1
        let rows = note(requests, limits: context.limits)
        forgetThoseGone(shown: requests.count)
        let waiting = liftNewcomers(requests, rows)
        arrangement.order = order(of: requests, rows)
        expect(arrangement.order, of: requests, limits: context.limits)
        if let behind = farthestBehind(waiting, rows) {
            for index in arrangement.order
            where rows[index].slot == behind.slot && requests[index].phase == .waiting {
                arrangement.mustServe = [requests[index].adapter]
                break
            }
            if context.wantsReason {
                let client = counters.clients[behind.slot]
                arrangement.reason =
                    "adapter \(client.adapter), tenant \(client.tenant) is "
                    + "\(behind.lag.tokens) tokens behind, the bound is \(allowedLag.tokens)"
            }
        }
        if let moved = counters.trim() { move(to: moved) }
    }

    /// A request as the arrangement needs it.
    private struct Row {
        var slot: Int
        /// What is still to be paid for its prompt.
        var rest: Cost
    }

    /// Charges what requests have reached since they were last shown.
    private func note(_ requests: Span<RequestSnapshot>, limits: BatchLimits) -> [Row] {
        var rows: [Row] = []
        rows.reserveCapacity(requests.count)
        var held = max(0, limits.freePages).clampedMultiplying(max(1, limits.pageTokens))
        for index in requests.indices {
            let request = requests[index]
            held = held.clampedAdding(max(0, request.computedTokens))
            if let known = accounts.index(forKey: request.id) {
                rows.append(show(request, &accounts.values[known]))
            } else {
                var account =
                    leaving.removeValue(forKey: request.id).map(returned) ?? open(request)
                rows.append(show(request, &account))
                accounts[request.id] = account
            }
        }
        mostTokens = min(max(mostTokens, held), 1 << 40)
        return rows
    }

    private func show(_ request: RequestSnapshot, _ account: inout Account) -> Row {
        let cost = account.show(request, prices)
        if cost != 0 { counters.charge(account.slot, cost) }
        account.turn = turn
        largestPrompt = min(max(largestPrompt, account.prompt), 1 << 40)
        return Row(slot: account.slot, rest: account.outstanding(prices))
    }

    private func open(_ request: RequestSnapshot) -> Account {
        let slot = counters.use(Client(of: request, per: clients))
        let weight: Double
        switch clients {
        case .adapter: weight = request.adapterWeight
        case .tenant: weight = request.tenantWeight
        case .both: weight = request.adapterWeight * request.tenantWeight
        }
        return Account(request, slot: slot, weight: weight, prices)
    }

    /// Gives back what was paid ahead for one that had not gone after all.
    private func returned(_ account: Account) -> Account {
        counters.charge(account.slot, -account.advance)
        var account = account
        account.advance = 0
        return account
    }

    /// Closes the accounts of requests that are not shown any more.
    ///
    /// Who has gone with a step that is not settled pays for it ahead, as its client would be served
    /// a second time on one balance otherwise. Where no settlement comes it had not run.
    private func forgetThoseGone(shown: Int) {
        for (id, account) in leaving where account.turn + 2 < turn {
            _ = returned(account)
            counters.unuse(account.slot)
            leaving[id] = nil
        }
        guard accounts.count > shown else { return }
        for (id, account) in accounts where account.turn != turn {
            accounts[id] = nil
            if account.isSettled {
                counters.unuse(account.slot)
                continue
            }
            var account = account
            counters.charge(account.slot, account.payAhead(prices))
            leaving[id] = account
        }
    }

    /// Lets clients that begin to wait start from where the others are (Algorithm 2 of the paper):
    /// not having asked is no credit.
    ///
    /// - Returns: the clients with requests that wait.
    private func liftNewcomers(_ requests: Span<RequestSnapshot>, _ rows: [Row]) -> Set<Int> {
        var waiting: Set<Int> = []
        for index in requests.indices where requests[index].phase == .waiting {
            waiting.insert(rows[index].slot)
        }
        let stayed = waiting.intersection(backlogged).map { counters.counters[$0] }.min()
        let begun = backlogged.subtracting(waiting)
        let last = begun.min {
            (counters.counters[$0], counters.clients[$0])
                < (counters.counters[$1], counters.clients[$1])
        }
        if let last { lastToBegin = last }
        if let floor = stayed ?? lastToBegin.map({ counters.counters[$0] }) {
            for slot in waiting where !backlogged.contains(slot) { counters.lift(slot, to: floor) }
        }
        backlogged = waiting
        return waiting
    }

    /// Requests that have begun go on, so that a change of the balance takes no pages away; then
    /// those that wait, as if each were charged for its prompt when its turn comes.
    private func order(of requests: Span<RequestSnapshot>, _ rows: [Row]) -> [Int] {
        var begun: [Int] = []
        var waiting: [(balance: Cost, index: Int)] = []
        var balances = counters.counters
        for index in requests.indices where requests[index].phase != .waiting {
            begun.append(index)
            let slot = rows[index].slot
            if requests[index].phase == .prefilling {
                balances[slot] = balances[slot].adding(rows[index].rest)
            }
        }
        for index in requests.indices where requests[index].phase == .waiting {
            let slot = rows[index].slot
            waiting.append((balances[slot], index))
            balances[slot] = balances[slot].adding(rows[index].rest)
        }
        waiting.sort { ($0.balance, $0.index) < ($1.balance, $1.index) }
        return begun + waiting.map(\.index)
    }

    /// Marks the requests that would run were they taken in this order.
    private func expect(
        _ order: [Int], of requests: Span<RequestSnapshot>, limits: BatchLimits
    ) {
        var tokens = limits.tokens
        for index in order.prefix(max(0, limits.requests)) where tokens > 0 {
            tokens -= min(tokens, max(0, requests[index].pendingTokens))
            if let known = accounts.index(forKey: requests[index].id) {
                accounts.values[known].expectedTurn = turn
            }
        }
    }

    /// Twice the larger of what the largest prompt and what a full batch costs (Theorem 4.4).
    private var allowedLag: Cost {
        if bound > 0 { return bound }
        let input = prices.input * Double(largestPrompt)
        return Cost(tokens: 2 * max(input, prices.output * Double(mostTokens)))
    }

    /// The client with requests that wait which has least, where others have got more than they may.
    private func farthestBehind(
        _ waiting: Set<Int>, _ rows: [Row]
    ) -> (slot: Int, lag: Cost)? {
        guard let most = rows.map({ counters.counters[$0.slot] }).max(),
            let least = waiting.min(by: {
                (counters.counters[$0], counters.clients[$0])
                    < (counters.counters[$1], counters.clients[$1])
            })
        else { return nil }
        let lag = most.adding(-counters.counters[least])
        return lag > allowedLag ? (least, lag) : nil
    }

    private func move(to slots: [Int?]) {
        accounts = accounts.compactMapValues { account in
            slots[account.slot].map { account.moved(to: $0) }
        }
        leaving = leaving.compactMapValues { account in
            slots[account.slot].map { account.moved(to: $0) }
        }
        backlogged = Set(backlogged.compactMap { slots[$0] })
        lastToBegin = lastToBegin.flatMap { slots[$0] }
    }

    // MARK: - Charges

    func settle(_ settlement: ServiceSettlement) {
        let step = settlement.step
        for (request, tokens) in zip(step.served, step.servedTokens) {
            if var account = accounts[request.id] {
                counters.charge(account.slot, account.settle(request, tokens: tokens, prices))
                accounts[request.id] = account
            } else if let gone = leaving.removeValue(forKey: request.id) {
                var account = returned(gone)
                counters.charge(account.slot, account.settle(request, tokens: tokens, prices))
                counters.unuse(account.slot)
            }
        }
    }

    // MARK: - State

    private static let schema = "token-counters/1"

    func exportState() -> PolicyState? {
        var words: [Int64] = [
            Int64(Clients.allCases.firstIndex(of: clients) ?? 0), Int64(bitPattern: turn),
            Int64(largestPrompt), Int64(clamping: mostTokens), Int64(lastToBegin ?? -1),
        ]
        words.appendCounted(counters.words, each: 2)
        words.appendCounted(backlogged.sorted().map(Int64.init), each: 1)
        for accounts in [accounts, leaving] {
            let sorted = accounts.sorted { $0.key < $1.key }
            words.appendCounted(
                sorted.flatMap { [Int64(bitPattern: $0.key.rawValue)] + $0.value.words },
                each: 1 + Account.wordCount)
        }
        return PolicyState(schema: Self.schema, bytes: words.littleEndianBytes)
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == Self.schema else {
            throw PolicyError("the state is of layout \(state.schema), not \(Self.schema)")
        }
        guard var words = WordReader(state.bytes), let header = words.take(5) else {
            throw Self.damaged
        }
        guard Clients.allCases.firstIndex(of: clients) == Int(exactly: header[0]) else {
            throw PolicyError("the counters are not of clients per \(clients.rawValue)")
        }
        let counts = 0...Int64(1) << 40
        guard header[1...3].allSatisfy({ counts.contains($0) }),
            let counted = words.takeCounted(each: 2),
            var imported = ClientCounters(words: counted),
            let waiting = words.takeCounted(each: 1)
        else { throw Self.damaged }
        let slots = imported.counters.indices
        guard waiting.allSatisfy({ slots.contains(Int(clamping: $0)) }),
            header[4] == -1 || slots.contains(Int(clamping: header[4]))
        else { throw Self.damaged }
        let known = try Self.readAccounts(&words, &imported, prices)
        let gone = try Self.readAccounts(&words, &imported, prices)
        guard words.isEmpty else { throw Self.damaged }
        turn = UInt64(header[1])
        largestPrompt = Int(header[2])
        mostTokens = Int(header[3])
        lastToBegin = header[4] == -1 ? nil : Int(header[4])
        counters = imported
        backlogged = Set(waiting.map { Int($0) })
        accounts = known
        leaving = gone
    }

    private static let damaged = PolicyError("the counters are damaged")

    private static func readAccounts(
        _ words: inout WordReader, _ counters: inout ClientCounters, _ prices: Prices
    ) throws(PolicyError) -> [RequestID: Account] {
        let each = 1 + Account.wordCount
        guard let counted = words.takeCounted(each: each) else { throw damaged }
        var accounts: [RequestID: Account] = [:]
        for start in stride(from: counted.startIndex, to: counted.endIndex, by: each) {
            let id = RequestID(rawValue: UInt64(bitPattern: counted[start]))
            guard
                let account = Account(
                    words: counted[start + 1..<start + each], slots: counters.counters.count,
                    prices),
                accounts.updateValue(account, forKey: id) == nil
            else { throw damaged }
            counters.reuse(account.slot)
        }
        return accounts
    }
}

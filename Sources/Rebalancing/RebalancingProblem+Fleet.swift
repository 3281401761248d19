// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// How a fleet becomes a problem.
package struct RebalancingSettings: Sendable, Equatable {
    /// How many replicas with the most and with the least to do take part (K of dLoRA §5.2).
    package var pairs = 4

    /// What each move costs at least, in seconds.
    package var movePenalty = 0.005

    /// What a replica is charged for each adapter that it serves, in seconds (eta).
    package var affinity = 0.0

    package init() {}
}

extension RebalancingProblem {
    /// The problem of the replicas with the most and with the least to do; `nil` where there are no two.
    package init?(_ fleet: FleetSnapshot, _ settings: RebalancingSettings) {
        self.init()
        affinity = settings.affinity
        var seconds = [Double](repeating: 0, count: fleet.replicas.count)
        let costs = fleet.replicas.map(RequestCosts.init)
        let times = fleet.requests.map { costs[$0.replica.rawValue].seconds(of: $0.request) }
        for (request, time) in zip(fleet.requests, times) {
            seconds[request.replica.rawValue] += time
        }
        let chosen = Self.choose(seconds, pairs: settings.pairs)
        guard chosen.count > 1 else { return nil }
        var places = [Int](repeating: -1, count: fleet.replicas.count)
        for (place, replica) in chosen.enumerated() { places[replica] = place }
        addReplicas(fleet, chosen)
        let indices = addAdapters(fleet, places)
        for (request, time) in zip(fleet.requests, times)
        where places[request.replica.rawValue] >= 0 {
            let own = costs[request.replica.rawValue]
            var item = Request(
                id: request.request.id, source: places[request.replica.rawValue],
                adapter: request.request.adapter.isBase
                    ? nil : indices[request.request.adapter], seconds: time)
            item.moveSeconds =
                settings.movePenalty
                + own.moveSeconds(of: request, handover: fleet.handoverSecondsPerToken)
            item.pages = max(
                request.pages, own.pages(holding: request.request.computedTokens))
            requests.append(item)
        }
        secondsPerPage = costs[chosen[0]].secondsPerPage
        admitPresent()
    }

    /// The replicas with the most to do and those with the least, by number.
    private static func choose(_ seconds: [Double], pairs: Int) -> [Int] {
        let order = seconds.indices.sorted {
            seconds[$0] != seconds[$1] ? seconds[$0] > seconds[$1] : $0 < $1
        }
        if order.count <= 2 * pairs { return order.sorted() }
        return (Array(order.prefix(pairs)) + order.suffix(pairs)).sorted()
    }

    private mutating func addReplicas(_ fleet: FleetSnapshot, _ chosen: [Int]) {
        for index in chosen {
            let replica = fleet.replicas[index]
            let pinned = fleet.adapters.reduce(0) { sum, adapter in
                adapter.isPinned && adapter.holders.contains(replica.id) ? sum + adapter.bytes : sum
            }
            replicas.append(
                Replica(
                    id: replica.id, pages: replica.load.totalPages,
                    adapterRoom: max(0, replica.adapterBytes - pinned)))
        }
    }

    /// - Returns: the index of each adapter that requests name.
    private mutating func addAdapters(
        _ fleet: FleetSnapshot, _ places: [Int]
    ) -> [AdapterID: Int] {
        let named = Set(fleet.requests.map(\.request.adapter))
        let perByte = fleet.replicas.lazy.compactMap(\.costs.loadSecondsPerByte).first ?? 0
        var indices: [AdapterID: Int] = [:]
        for adapter in fleet.adapters where named.contains(adapter.id) {
            indices[adapter.id] = adapters.count
            let holders = adapter.holders.compactMap {
                places.indices.contains($0.rawValue) && places[$0.rawValue] >= 0
                    ? places[$0.rawValue] : nil
            }
            // A pinned one takes no room that is counted.
            adapters.append(
                Adapter(
                    id: adapter.id, bytes: adapter.isPinned ? 0 : adapter.bytes,
                    loadSeconds: perByte * Double(adapter.bytes), holders: Set(holders)))
        }
        return indices
    }

    /// What has to move so that an assignment comes true.
    package func plan(for assignment: [Int]) -> MigrationPlan {
        var plan = MigrationPlan()
        var loaded: Set<[Int]> = []
        for (request, target) in zip(requests, assignment) where target != request.source {
            plan.requests.append(
                RequestMove(
                    request.id, from: replicas[request.source].id, to: replicas[target].id))
            guard let adapter = request.adapter, !adapters[adapter].holders.contains(target),
                loaded.insert([adapter, target]).inserted
            else { continue }
            plan.adapters.append(AdapterMove(.load, adapters[adapter].id, on: replicas[target].id))
        }
        return plan
    }
}

/// What requests cost a replica, by what it has measured.
private struct RequestCosts {
    private let costs: CostEstimates
    private let rows: Double
    private let pageTokens: Int

    init(_ replica: FleetReplica) {
        costs = replica.costs
        rows = Double(max(1, replica.load.batchRequests))
        pageTokens = max(1, replica.pageTokens)
    }

    private var isMeasured: Bool { costs.observations > 0 }

    /// A row's share of what an iteration costs whatever it computes.
    private var stepShare: Double { max(0, costs.perStep) / rows }

    /// Seconds of a replica's time until a request has ended; before anything is measured a token of a
    /// prompt counts a tenth of a millisecond, one of an output ten times that.
    func seconds(of request: RequestSnapshot) -> Double {
        let prompt = Double(request.phase == .decoding ? 0 : request.pendingTokens)
        let left = Double(max(1, request.maximumTokens - request.generatedTokens))
        let output = max(1, left * costs.outputShare)
        guard isMeasured else { return 1e-4 * prompt + 1e-3 * output }
        let context = Double(request.promptTokens)
        let path = max(0, costs.perRankToken) * Double(request.adapterRank)
        let perPrompt = max(0, costs.perPromptToken) + path
        let perOutput = max(0, costs.perDecodeToken) + path + stepShare
        let attended = prompt * context / 2 + output * (context + output / 2)
        return prompt * perPrompt + output * perOutput + attended * max(0, costs.perAttendedToken)
    }

    /// The cheaper of handing over what was computed of a request and computing it again.
    func moveSeconds(of request: FleetRequest, handover: Double?) -> Double {
        let tokens = Double(request.request.computedTokens)
        let again = recomputeSeconds(tokens)
        guard let handover, request.isHandoverPossible else { return again }
        return min(again, handover * tokens)
    }

    private func recomputeSeconds(_ tokens: Double) -> Double {
        guard isMeasured else { return 1e-4 * tokens }
        return tokens * max(0, costs.perPromptToken) + tokens * tokens / 2
            * max(0, costs.perAttendedToken)
    }

    var secondsPerPage: Double { recomputeSeconds(Double(pageTokens)) }

    func pages(holding tokens: Int) -> Int { (tokens + pageTokens - 1) / pageTokens }
}

// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import PolicyKit

/// A fleet under a skewed load, the same for the same seed.
struct RandomFleet {
    var replicas: Int
    var requests: Int
    var adapters: Int
    private var random: SplitMix64

    init(replicas: Int, requests: Int, adapters: Int, seed: UInt64) {
        self.replicas = replicas
        self.requests = requests
        self.adapters = adapters
        random = SplitMix64(seed: seed)
    }

    /// A number from 0 to 1.
    private mutating func fraction() -> Double {
        Double(random.next() >> 11) / Double(1 << 53)
    }

    /// Few adapters have most requests, and the first replicas hold most of them.
    mutating func snapshot() -> FleetSnapshot {
        var fleet = FleetSnapshot(now: Instant(nanoseconds: 0))
        fleet.handoverSecondsPerToken = 0
        fleet.replicas = (0..<replicas).map { replica($0) }
        fleet.adapters = (0..<adapters).map { index in
            var adapter = FleetAdapter(id: AdapterID(rawValue: UInt32(index + 1)), bytes: 8 << 20)
            adapter.rank = 16
            return adapter
        }
        fleet.requests = (0..<requests).map { request(number: $0) }
        fleet.requests.sort { $0.replica < $1.replica }
        for request in fleet.requests { place(request, in: &fleet) }
        for index in fleet.adapters.indices {
            fleet.adapters[index].holders.sort()
            for holder in fleet.adapters[index].holders {
                fleet.replicas[holder.rawValue].usedAdapterBytes += fleet.adapters[index].bytes
            }
        }
        return fleet
    }

    private func replica(_ index: Int) -> FleetReplica {
        var load = ReplicaSnapshot(id: ReplicaID(rawValue: index))
        load.totalPages = 8_192
        load.freePages = 8_192
        load.batchRequests = 32
        var replica = FleetReplica(load: load)
        replica.costs.observations = 1_000
        replica.costs.perStep = 0.015
        replica.costs.perPromptToken = 0.000_1
        replica.costs.perDecodeToken = 0.000_3
        replica.costs.perAttendedToken = 1e-8
        replica.costs.loadSecondsPerByte = 1e-9
        replica.costs.outputShare = 0.5
        replica.batchTokens = 512
        replica.adapterBytes = max(8, 2 * adapters / replicas) * (8 << 20)
        return replica
    }

    private mutating func request(number: Int) -> FleetRequest {
        let adapter = Int(Double(adapters) * fraction() * fraction()) + 1
        let place = Int(Double(replicas) * fraction() * fraction())
        var request = RequestSnapshot(
            id: RequestID(rawValue: UInt64(number)),
            adapter: AdapterID(rawValue: UInt32(min(adapter, adapters))),
            arrival: Instant(nanoseconds: Int64(number)),
            promptTokens: 16 + Int(fraction() * fraction() * 1_024))
        request.maximumTokens = 16 + Int(fraction() * fraction() * 1_024)
        request.adapterRank = 16
        if fraction() < 0.4 {
            request.phase = .decoding
            request.computedTokens = request.promptTokens
            request.generatedTokens = 1
        }
        var placed = FleetRequest(
            request: request, replica: ReplicaID(rawValue: min(place, replicas - 1)))
        placed.pages = (request.computedTokens + 15) / 16
        return placed
    }

    private func place(_ request: FleetRequest, in fleet: inout FleetSnapshot) {
        let index = Int(request.request.adapter.rawValue) - 1
        if !fleet.adapters[index].holders.contains(request.replica) {
            fleet.adapters[index].holders.append(request.replica)
        }
        let replica = request.replica.rawValue
        fleet.replicas[replica].load.waitingRequests += 1
        fleet.replicas[replica].load.pendingTime += .milliseconds(20)
    }
}

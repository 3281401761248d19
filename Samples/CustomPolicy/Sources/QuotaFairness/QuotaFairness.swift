// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([QuotaFairness.self])
}

/// Gives each client a quota of tokens per second; who has used it up waits for those who have not,
/// and runs on what they leave.
final class QuotaFairness: FairnessPolicy {
    enum Clients: String, ParameterChoice {
        case tenant, adapter
    }

    struct Parameters: PolicyParameters {
        @Parameter("Who has a quota: each tenant or each adapter.")
        var per: Clients = .tenant

        @Parameter("Tokens per second of a client with weight 1.", in: 0.1...1_000_000)
        var rate: Double = 200

        @Parameter("Tokens that a client may save up, and may owe.", in: 1...1_000_000_000)
        var burst: Int = 4_000

        @Parameter("What a generated token counts, where one of a prompt counts 1.", in: 0...1_000)
        var outputWeight: Double = 1
    }

    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "quota-fairness", version: "1.0.0",
            summary: "Serves clients within their quota of tokens per second first, and the others "
                + "with what is left; for hosts that several teams share.")
    }

    private static let schema = "quota/1"

    private let per: Clients
    private let outputWeight: Double
    private var buckets: TokenBuckets

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        per = parameters.per
        outputWeight = parameters.outputWeight
        buckets = TokenBuckets(rate: parameters.rate, burst: Double(parameters.burst))
    }

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        var turns: [Turn] = []
        turns.reserveCapacity(requests.count)
        for index in requests.indices {
            let request = requests[index]
            // What has begun holds memory for its keys and values: it goes on.
            guard request.phase == .waiting else {
                turns.append(Turn(group: .begun, debt: 0, index: index))
                continue
            }
            let (client, weight) = client(of: request)
            let saved = buckets.level(of: client, weight: weight, at: context.now)
            // Whoever owes least for its weight comes first among those who owe.
            turns.append(
                saved > 0
                    ? Turn(group: .within, debt: 0, index: index)
                    : Turn(group: .over, debt: -saved / weight, index: index))
        }
        turns.sort()
        arrangement.order = turns.map(\.index)
        if context.wantsReason {
            let counts = Turn.Group.allCases.map { group in turns.count { $0.group == group } }
            arrangement.reason =
                "\(counts[0]) have begun, \(counts[1]) are within their quota, \(counts[2]) over it"
        }
    }

    func settle(_ settlement: ServiceSettlement) {
        let step = settlement.step
        for (request, tokens) in zip(step.served, step.servedTokens) {
            let (client, weight) = client(of: request)
            var cost = Double(tokens) * (request.phase == .decoding ? outputWeight : 1)
            // The end of a prompt gives the first token.
            if request.phase != .decoding, tokens >= request.pendingTokens { cost += outputWeight }
            buckets.take(cost, from: client, weight: weight, at: settlement.now)
        }
        buckets.trim(at: settlement.now)
    }

    func exportState() -> PolicyState? {
        PolicyState(schema: Self.schema, bytes: buckets.bytes)
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        guard state.schema == Self.schema else {
            throw PolicyError("quota-fairness keeps '\(Self.schema)', not '\(state.schema)'")
        }
        try buckets.restore(state.bytes)
    }

    private func client(of request: RequestSnapshot) -> (client: UInt32, weight: Double) {
        let (client, weight) =
            switch per {
            case .tenant: (request.tenant.rawValue, request.tenantWeight)
            case .adapter: (request.adapter.rawValue, request.adapterWeight)
            }
        return (client, weight.isFinite && weight > 0 ? weight : 1)
    }
}

/// Where a request stands: by its group, then by its client's debt, then by its arrival.
private struct Turn: Comparable {
    enum Group: Int, CaseIterable {
        case begun, within, over
    }

    let group: Group
    let debt: Double
    let index: Int

    static func < (left: Turn, right: Turn) -> Bool {
        (left.group.rawValue, left.debt, left.index)
            < (right.group.rawValue, right.debt, right.index)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension SeededGenerator {
    /// Requests that could stand together in a replica at `now`, in order of arrival.
    mutating func requests(count: Int, at now: Instant) -> [RequestSnapshot] {
        let adapters = integer(1...12)
        let residentOneIn = integer(1...8)
        let firstID = UInt64(integer(0...1_000_000))
        return (0..<count).map { index in
            let age = Duration.microseconds((count - index) * 1_000 + integer(0...999))
            var request = RequestSnapshot(
                id: RequestID(rawValue: firstID + UInt64(index)),
                adapter: AdapterID(rawValue: UInt32(skewed(upTo: adapters))),
                tenant: TenantID(rawValue: UInt32(integer(0...3))),
                arrival: now.advanced(by: .zero - age),
                promptTokens: 1 + skewed(upTo: 2_000))
            request.maximumTokens = 1 + skewed(upTo: 1_000)
            request.adapterRank = request.adapter.isBase ? 0 : 8 << (request.adapter.rawValue % 4)
            request.adapterWeight = Double(1 + request.adapter.rawValue % 3)
            request.tenantWeight = Double(1 + request.tenant.rawValue % 2) / 2
            if chance(oneIn: 2) {
                request.firstTokenDeadline = request.arrival.advanced(
                    by: .milliseconds(integer(1...2_000)))
            }
            request.isAdapterResident =
                request.adapter.isBase || !chance(oneIn: 1 + residentOneIn)
            advance(&request)
            return request
        }
    }

    /// Brings a request to a random point of its life.
    private mutating func advance(_ request: inout RequestSnapshot) {
        switch integer(0...2) {
        case 0:
            if chance(oneIn: 8) {
                // It was preempted: what it had generated is part of its prompt.
                request.generatedTokens = integer(0...request.maximumTokens - 1)
                request.promptTokens += request.generatedTokens
            }
            if request.promptTokens > 1, chance(oneIn: 4) {
                // It begins like others and shares what they have computed.
                request.computedTokens = integer(1...request.promptTokens - 1)
            }
        case 1 where request.promptTokens > 1:
            request.phase = .prefilling
            request.computedTokens = integer(1...request.promptTokens - 1)
        case 2 where request.maximumTokens > 1:
            request.phase = .decoding
            request.generatedTokens = integer(1...request.maximumTokens - 1)
            request.computedTokens = request.promptTokens + request.generatedTokens - 1
        default: break
        }
    }

    mutating func limits() -> BatchLimits {
        BatchLimits(
            requests: 1 + skewed(upTo: 63), tokens: 1 + skewed(upTo: 2_047),
            freePages: skewed(upTo: 4_000), pageTokens: [1, 4, 16, 32].randomElement(using: &self)!)
    }

    mutating func instant() -> Instant {
        Instant(nanoseconds: Int64.random(in: 0...1_000_000_000_000_000, using: &self))
    }

    mutating func mode(among requests: [RequestSnapshot]) -> BatchMode {
        let adapter = requests.randomElement(using: &self)?.adapter ?? AdapterID(rawValue: 77)
        if adapter.isBase { return .unmerged }
        return [.unmerged, .merged(adapter), .mixed(adapter)].randomElement(using: &self)!
    }

    /// Costs as a machine might have, or none measured yet.
    mutating func costs() -> CostEstimates {
        var costs = CostEstimates()
        guard !chance(oneIn: 4) else { return costs }
        costs.observations = integer(1...10_000)
        costs.relativeError = Double(integer(0...100)) / 100
        costs.perStep = Double(integer(0...50_000)) * 1e-6
        costs.perPromptToken = Double(integer(0...2_000)) * 1e-6
        costs.perDecodeToken = Double(integer(-100...5_000)) * 1e-6
        costs.perAttendedToken = Double(integer(0...1_000)) * 1e-9
        costs.perRankToken = Double(integer(-10...100)) * 1e-6
        costs.perDistinctRank = Double(integer(-10...100)) * 1e-6
        costs.perMergedStep = Double(integer(-1_000...1_000)) * 1e-6
        if chance(oneIn: 2) { costs.mergeTime = duration(upToMicroseconds: 500_000) }
        if chance(oneIn: 2) { costs.loadSecondsPerByte = 1e-9 }
        costs.outputShare = Double(integer(0...100)) / 100
        return costs
    }

    /// Merged copies of some of the adapters that the requests name, and perhaps of another.
    mutating func copies(among requests: [RequestSnapshot]) -> MergedCopiesSnapshot {
        let capacity = integer(0...3)
        var adapters = Set(requests.map(\.adapter)).union([AdapterID(rawValue: 77)])
        adapters.remove(.base)
        let some = adapters.sorted().shuffled(using: &self)
        let ready = Array(some.prefix(integer(0...capacity)))
        let building =
            ready.count < capacity && chance(oneIn: 3) ? some.dropFirst(ready.count).first : nil
        return MergedCopiesSnapshot(capacity: capacity, ready: ready, building: building)
    }

    /// Some of the adapters that the requests name, in random order.
    mutating func someAdapters(of requests: [RequestSnapshot]) -> [AdapterID] {
        guard chance(oneIn: 3) else { return [] }
        let adapters = Set(requests.map(\.adapter)).sorted().shuffled(using: &self)
        return Array(adapters.prefix(integer(0...adapters.count)))
    }
}

extension RequestSnapshot {
    /// The facts on one line.
    var text: String {
        "  request \(id.rawValue): adapter \(adapter.rawValue)"
            + "\(isAdapterResident ? "" : " (absent)"), \(phase), prompt \(promptTokens), "
            + "computed \(computedTokens), generated \(generatedTokens) of at most "
            + "\(maximumTokens)"
    }
}

extension MergedCopiesSnapshot {
    var text: String {
        let ready = ready.map { "\($0.rawValue)" }.joined(separator: ", ")
        return "  merged copies: room for \(capacity), ready [\(ready)], building "
            + (building.map { "\($0.rawValue)" } ?? "none")
    }
}

extension CostEstimates {
    var text: String {
        "  costs after \(observations) iterations: \(perStep) s and \(perPromptToken) per prompt "
            + "token, \(perDecodeToken) per decode token, \(perRankToken) per token and rank, "
            + "\(perDistinctRank) per rank, \(perMergedStep) merged; merging "
            + (mergeTime.map { "\($0)" } ?? "unknown")
    }
}

extension BatchLimits {
    var text: String {
        "  at most \(requests) requests and \(tokens) tokens, \(freePages) free pages of "
            + "\(pageTokens) tokens"
    }
}

/// The first lines of a list, and how many were left out.
func listing(_ lines: [String], most: Int = 20) -> String {
    let shown = lines.prefix(most).joined(separator: "\n")
    return lines.count > most ? "\(shown)\n  … and \(lines.count - most) more" : shown
}

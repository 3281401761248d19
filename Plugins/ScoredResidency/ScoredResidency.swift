// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([ScoredResidency.self])
}

/// The cache score of Chameleon (Iliakopoulou et al., MICRO '25): frequency, recency and size of an
/// adapter, weighted; the lowest leaves.
final class ScoredResidency: ResidencyPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "scored-residency", version: "1.0.0",
            summary: "Evicts the adapter that is used least often, least lately and cheapest to "
                + "load again, by Chameleon's score.")
    }

    private let parameters: Parameters

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        guard
            parameters.frequencyWeight + parameters.recencyWeight + parameters.sizeWeight > 0
        else { throw PolicyError("all three weights are 0: every adapter would score the same") }
        self.parameters = parameters
    }

    func evict(
        from candidates: Span<AdapterSnapshot>, at now: Instant
    ) throws(PolicyError) -> AdapterID {
        var (rate, idle, bytes) = (0.0, 0.0, 0.0)
        for index in candidates.indices {
            rate = max(rate, self.rate(of: candidates[index], at: now))
            idle = max(idle, Self.idle(candidates[index], at: now))
            bytes = max(bytes, Double(candidates[index].bytes))
        }
        var leaving: (score: Double, adapter: AdapterSnapshot)?
        for index in candidates.indices {
            let adapter = candidates[index]
            let frequency = rate > 0 ? self.rate(of: adapter, at: now) / rate : 0
            let recency = idle > 0 ? 1 - Self.idle(adapter, at: now) / idle : 1
            let size = bytes > 0 ? Double(adapter.bytes) / bytes : 0
            let score =
                parameters.frequencyWeight * frequency + parameters.recencyWeight * recency
                + parameters.sizeWeight * size
            guard let best = leaving else {
                leaving = (score, adapter)
                continue
            }
            // Ties go to the one that was used last the longest ago, then to the lower number.
            let isLower =
                (score, adapter.lastUse, adapter.id)
                < (best.score, best.adapter.lastUse, best.adapter.id)
            if isLower { leaving = (score, adapter) }
        }
        guard let leaving else { throw PolicyError("there is no adapter to evict") }
        return leaving.adapter.id
    }

    /// Uses per second in memory.
    private func rate(of adapter: AdapterSnapshot, at now: Instant) -> Double {
        let residence = max(0, adapter.loadedAt.duration(to: now).inSeconds)
        return Double(max(0, adapter.uses)) / (residence + parameters.window.inSeconds)
    }

    private static func idle(_ adapter: AdapterSnapshot, at now: Instant) -> Double {
        max(0, adapter.lastUse.duration(to: now).inSeconds)
    }
}

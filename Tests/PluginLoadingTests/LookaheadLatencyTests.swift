// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Testing

@testable import PluginLoading

/// Mean latencies of `lookahead-batching` beside those of the pure modes, on machines whose costs it
/// must find out.
struct LookaheadLatencyTests {
    private let policies: BuiltPolicies
    private var registry: PolicyRegistry { policies.registry }

    init() throws { policies = try BuiltPolicies() }

    private static let loads: [MixedLoad] = [
        .stride(8), .stride(32), .identical, .uniform, .zipf, .distinct,
    ]

    private struct Means {
        var unmerged = 0.0
        var merged = 0.0
        var lookahead = 0.0
        var best: Double { min(unmerged, merged) }
    }

    /// Means over a few seeds, at `rate` of what full unmerged batches serve.
    private func means(
        _ machine: SyntheticMachine, _ load: MixedLoad, rate: Double, count: Int, seeds: Int
    ) throws -> Means {
        var means = Means()
        for seed in 1...UInt64(seeds) {
            let requests = load.requests(
                count, perSecond: rate * machine.capacity(for: load), seed: seed)
            func mean(_ type: String?) throws -> Double {
                let policy = try type.map { try registry.makeBatching($0, values: [:], seed: seed) }
                var loop = LatencyLoop(machine, policy: policy, seed: seed)
                let latency = loop.meanLatency(of: requests)
                let mean = try #require(latency, "seed \(seed)")
                #expect(loop.counters.finished == requests.count, "seed \(seed)")
                return mean / Double(seeds)
            }
            means.unmerged += try mean(nil)
            means.merged += try mean("merged-only")
            means.lookahead += try mean("lookahead-batching")
        }
        print(
            "\(machine.testDescription), \(load.testDescription) at \(rate): unmerged "
                + "\(means.unmerged), merged only \(means.merged), lookahead \(means.lookahead) s, "
                + "\(means.lookahead / means.best) of the best")
        return means
    }

    /// On a processor little can be won, so that what trials cost shows most.
    @Test(arguments: loads)
    func itIsNeverWorseThanTheBestPureModeOnAProcessor(load: MixedLoad) throws {
        for rate in [0.6, 2] {
            let means = try means(.processor, load, rate: rate, count: 240, seeds: 2)
            #expect(means.lookahead <= 1.03 * means.best, "at \(rate)")
        }
    }

    @Test(arguments: [SyntheticMachine.linear, .flat], loads)
    func itIsNeverWorseThanTheBestPureMode(machine: SyntheticMachine, load: MixedLoad) throws {
        for rate in [0.6, 2] {
            let means = try means(machine, load, rate: rate, count: 240, seeds: 1)
            #expect(means.lookahead <= 1.03 * means.best, "at \(rate)")
        }
    }

    @Test(arguments: [
        (SyntheticMachine.flat, 16), (SyntheticMachine.flat, 32), (SyntheticMachine.linear, 32),
    ])
    func itBeatsBothWhereMergingPays(machine: SyntheticMachine, stride: Int) throws {
        var load = MixedLoad.stride(stride)
        load.output = 50
        let means = try means(machine, load, rate: 2, count: 400, seeds: 1)
        #expect(1.5 * means.lookahead <= means.best)
    }
}

// SPDX-License-Identifier: Apache-2.0

import Hosting
import LoadGeneration
import Workloads

/// The requests that a host is sent while it is calibrated: from one at a time to full batches.
struct CalibrationLoad {
    private let host: ServedForCalibration
    private let endpoint: Endpoint
    private let names: ModelNames

    /// Asks what is served.
    init(_ host: ServedForCalibration) throws {
        self.host = host
        endpoint = try Endpoint(host.url)
        let probe = ServerProbe(endpoint)
        names = try probe.names(from: try probe.models(), base: nil, adapters: nil, count: nil)
    }

    /// Keeps several numbers of requests under way in turn, each for its part of the time and at least
    /// for a few requests.
    func send() throws {
        let levels = [
            1, host.replicas, 2 * host.replicas, 4 * host.replicas,
            host.replicas * host.batch / 2, host.replicas * host.batch,
        ]
        let start = ContinuousClock.now
        for (index, concurrency) in levels.enumerated() {
            let end = start + host.duration * (Double(index + 1) / Double(levels.count))
            var seed: UInt64 = 1
            repeat {
                _ = try LoadRun(plan(max(1, concurrency), seed), to: endpoint).perform()
                seed += 1
            } while ContinuousClock.now < end
        }
    }

    private func plan(_ concurrency: Int, _ seed: UInt64) -> LoadPlan {
        var workload = Workload()
        workload.adapters = names.adapters.count
        let most = max(2, host.contextLength / 4)
        workload.lengths = .independent(
            prompt: .uniform(min(8, most)...min(64, most)),
            output: .uniform(min(8, most)...min(32, most)))
        workload.end = .count(2 * concurrency + 2)
        var plan = LoadPlan(
            workload.requests(seed: 1000 * UInt64(concurrency) + seed), names: names)
        plan.pace = .concurrency(concurrency)
        plan.seed = seed
        return plan
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
package import Workloads

/// A fleet with its policies, one of two that are compared.
package struct PredictedFleet {
    package var setup: SimulationSetup
    package var policies: SimulationPolicies

    package init(_ setup: SimulationSetup, policies: SimulationPolicies) {
        self.setup = setup
        self.policies = policies
    }
}

/// What a change of policies would make of the requests that a host had, and how far that can be
/// trusted: the present policies are simulated too, and held against what the host measured.
package struct EffectPrediction: Sendable, Equatable {
    /// By how much simulated figures may be off before they are not trusted.
    package static let tolerance = 0.1

    /// How far a figure can be trusted.
    package enum Trust: Sendable, Equatable {
        case good
        /// The simulator is off by more than the tolerance.
        case none
        /// Nothing was measured to compare with.
        case unknown
    }

    /// Requests that were simulated, those of them that had not ended, and those without an observed
    /// first token and an observed latency though they had.
    package private(set) var requests = 0
    package private(set) var unfinished = 0
    package private(set) var withoutFirstToken = 0
    package private(set) var withoutLatency = 0

    /// What the host measured, and what the simulator says of the same requests.
    package let measured: EffectFigures
    package let calibration: EffectFigures

    /// All requests, with the present policies and with those that might follow.
    package let live: EffectFigures
    package let candidate: EffectFigures

    /// Serves the workload twice on a virtual clock.
    package init(_ workload: ObservedWorkload, live: PredictedFleet, candidate: PredictedFleet) {
        let first = Self.serve(workload, on: live)
        let second = Self.serve(workload, on: candidate)
        var measured: [EffectFigures.Served] = []
        var simulated: [EffectFigures.Served] = []
        for (request, outcome) in zip(workload.requests, first.served) {
            requests += 1
            let seen = EffectFigures.Served(request)
            if request.observation.isUnfinished {
                unfinished += 1
            } else {
                if seen.firstToken == nil { withoutFirstToken += 1 }
                if seen.latency == nil { withoutLatency += 1 }
            }
            guard var outcome else { continue }
            // Only what both know is compared.
            if seen.firstToken == nil { outcome.firstToken = nil }
            if seen.latency == nil { outcome.latency = nil }
            measured.append(seen)
            simulated.append(outcome)
        }
        self.measured = EffectFigures(measured)
        calibration = EffectFigures(simulated)
        self.live = first.figures
        self.candidate = second.figures
    }

    // MARK: - Trust

    /// By which part the simulator was off, where the figure was measured.
    package func error(of metric: EffectMetric) -> Double? {
        guard let measured = measured[metric], let simulated = calibration[metric] else {
            return nil
        }
        return abs(simulated - measured) / max(abs(measured), 1e-9)
    }

    /// The largest of all errors; `nil` where nothing was measured.
    package var worst: (metric: EffectMetric, error: Double)? {
        EffectMetric.allCases.compactMap { metric in
            error(of: metric).map { (metric: metric, error: $0) }
        }.max { $0.error < $1.error }
    }

    /// What was not measured is trusted as far as all that was.
    package func trust(in metric: EffectMetric) -> Trust {
        guard let error = error(of: metric) ?? worst?.error else { return .unknown }
        return error <= Self.tolerance ? .good : .none
    }

    // MARK: - Simulation

    private static func serve(
        _ workload: ObservedWorkload, on fleet: PredictedFleet
    ) -> (served: [EffectFigures.Served?], figures: EffectFigures) {
        var setup = fleet.setup
        setup.start.details = workload.requests.map(details)
        let box = ServedBox(count: workload.requests.count)
        var simulation = Simulation(setup, policies: fleet.policies)
        let adapters = setup.adapters.count
        let planned = workload.requests.lazy.map { request in
            var planned = request.planned
            if planned.adapter >= adapters { planned.adapter = -1 }
            return planned
        }
        let summary = simulation.run(planned) { request in
            box.served[request.index] = EffectFigures.Served(request)
        }
        var figures = EffectFigures(box.served.compactMap { $0 })
        figures.count(summary)
        return (box.served, figures)
    }

    private static func details(of request: ObservedRequest) -> SimulationStart.Details {
        var details = SimulationStart.Details()
        let seen = request.observation
        details.tenant = TenantID(rawValue: UInt32(clamping: seen.tenant ?? 0))
        details.tenantWeight = seen.weight ?? 1
        details.firstTokenTarget = seen.target
        details.mostTokens = seen.mostTokens ?? 0
        return details
    }
}

/// Holds outcomes while a simulation fills them in, in the order of the workload.
private final class ServedBox {
    var served: [EffectFigures.Served?]

    init(count: Int) { served = Array(repeating: nil, count: count) }
}

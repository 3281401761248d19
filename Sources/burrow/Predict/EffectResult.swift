// SPDX-License-Identifier: Apache-2.0

import Simulation

/// What a change would make of a workload, as JSON has it; times in seconds.
struct EffectResult: Encodable {
    struct Metric: Encodable {
        var name: String

        /// What the host measured; nil where it did not.
        var measured: Double?

        /// What the simulator says of the same requests, and the part by which it is off.
        var calibration: Double?
        var error: Double?

        /// All requests, with the present policies and with the others.
        var live: Double?
        var candidate: Double?

        /// `good`, `none` or `unknown`.
        var trust: String
    }

    struct Requests: Encodable {
        var simulated: Int
        var unfinished: Int
        var withoutFirstToken: Int
        var withoutLatency: Int
        var completedLive: Int
        var completedCandidate: Int
    }

    var schema = 1
    var live: String
    var candidate: String
    var costs: String
    var requests: Requests

    /// The largest error of the simulator; nil where nothing was measured.
    var calibrationError: Double?
    var tolerance = EffectPrediction.tolerance
    var metrics: [Metric]

    init(_ prediction: EffectPrediction, live: String, candidate: String, costs: String) {
        self.live = live
        self.candidate = candidate
        self.costs = costs
        requests = Requests(
            simulated: prediction.requests, unfinished: prediction.unfinished,
            withoutFirstToken: prediction.withoutFirstToken,
            withoutLatency: prediction.withoutLatency,
            completedLive: prediction.live.completed,
            completedCandidate: prediction.candidate.completed)
        calibrationError = prediction.worst?.error
        metrics = EffectMetric.allCases.map { metric in
            Metric(
                name: metric.rawValue, measured: prediction.measured[metric],
                calibration: prediction.calibration[metric], error: prediction.error(of: metric),
                live: prediction.live[metric], candidate: prediction.candidate[metric],
                trust: prediction.trust(in: metric).word)
        }
    }
}

extension EffectPrediction.Trust {
    fileprivate var word: String {
        switch self {
        case .good: "good"
        case .none: "none"
        case .unknown: "unknown"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Simulation
import Testing
import Workloads

/// What a change would make of a workload, and how far that is trusted.
struct EffectPredictionTests {
    private static let planned = Array(
        Workload.fixture(rate: 12, count: 200).stream(seed: 7))

    /// The workload as a host would have recorded it that is exactly as fast as the simulator.
    private static func observed(
        _ planned: [PlannedRequest] = planned, slower factor: Double = 1
    ) -> ObservedWorkload {
        let log = OutcomeLog()
        var simulation = Simulation(.a800(replicas: 2))
        _ = simulation.run(planned) { log.outcomes[$0.index] = $0 }
        let requests = planned.enumerated().map { index, planned in
            var seen = RequestObservation()
            if let outcome = log.outcomes[index], let first = outcome.firstToken,
                let last = outcome.lastToken
            {
                seen.firstToken = outcome.arrival.duration(to: first) * factor
                seen.latency = outcome.arrival.duration(to: last) * factor
            }
            return ObservedRequest(planned, seen)
        }
        return ObservedWorkload(requests)
    }

    private static func fleet(_ batching: (any BatchingPolicy)? = nil) -> PredictedFleet {
        var policies = SimulationPolicies(replicas: [ReplicaPolicies(), ReplicaPolicies()])
        if let batching {
            for index in policies.replicas.indices {
                policies.replicas[index].batching = NamedPolicy(name: "other", policy: batching)
            }
        }
        return PredictedFleet(.a800(replicas: 2), policies: policies)
    }

    @Test func aHostThatTheSimulatorMeetsIsTrusted() {
        let prediction = EffectPrediction(
            Self.observed(), live: Self.fleet(), candidate: Self.fleet())
        #expect(prediction.requests == 200 && prediction.live.completed == 200)
        #expect((prediction.worst?.error ?? 1) < 1e-6)
        #expect(prediction.live == prediction.candidate)
        for metric in EffectMetric.allCases {
            #expect(prediction.trust(in: metric) == .good, "\(metric)")
            #expect(prediction.live[metric] != nil, "\(metric)")
        }
    }

    @Test func anotherPolicyHasAnotherEffect() {
        let onOne = Array(Workload.fixture(rate: 12, count: 200, .identical).stream(seed: 7))
        let prediction = EffectPrediction(
            Self.observed(onOne), live: Self.fleet(),
            candidate: Self.fleet(FirstAdapterMerged(parameters: NoParameters(), seed: 0)))
        #expect(prediction.live != prediction.candidate)
        #expect((prediction.candidate[.switches] ?? 0) > (prediction.live[.switches] ?? 0))
        #expect((prediction.worst?.error ?? 1) < 1e-6, "calibration is of the live one alone")
    }

    @Test func whatIsOffByMoreThanATenthIsNotTrusted() {
        for (factor, trust) in [
            (1.05, EffectPrediction.Trust.good), (1.3, .none), (0.7, .none),
        ] {
            let prediction = EffectPrediction(
                Self.observed(slower: factor), live: Self.fleet(), candidate: Self.fleet())
            #expect(prediction.trust(in: .latencyP50) == trust, "\(factor)")
            #expect(prediction.trust(in: .firstTokenP99) == trust, "\(factor)")
            #expect(prediction.trust(in: .switches) == trust, "what is not measured: as the worst")
            let error = prediction.error(of: .latencyP50) ?? 0
            let expected = abs(1 - 1 / factor)
            #expect(abs(error - expected) < 1e-6, "\(factor): \(error)")
        }
    }

    @Test func whatWasNotRecordedIsTold() {
        let bare = ObservedWorkload(Self.planned.map { ObservedRequest($0) })
        let prediction = EffectPrediction(bare, live: Self.fleet(), candidate: Self.fleet())
        #expect(prediction.worst == nil && prediction.trust(in: .latencyP50) == .unknown)
        #expect(prediction.withoutFirstToken == 200 && prediction.withoutLatency == 200)

        var some = Self.observed()
        for index in 0..<50 { some.requests[index].observation.firstToken = nil }
        some.requests[199].observation.isUnfinished = true
        let partly = EffectPrediction(some, live: Self.fleet(), candidate: Self.fleet())
        #expect(partly.withoutFirstToken == 50 && partly.withoutLatency == 0)
        #expect(partly.unfinished == 1 && partly.measured.completed == 199)
        #expect((partly.worst?.error ?? 1) < 1e-6, "only what both know is compared")
    }

    @Test func aWorkloadOfUnknownAdaptersIsServedByTheBase() {
        let strange = ObservedWorkload([
            ObservedRequest(
                PlannedRequest(arrival: .zero, adapter: 99, promptTokens: 8, outputTokens: 4))
        ])
        let prediction = EffectPrediction(strange, live: Self.fleet(), candidate: Self.fleet())
        #expect(prediction.live.completed == 1)
    }

    @Test func theMostThatIsAskedForIsSeenByPolicies() {
        var request = ObservedRequest(
            PlannedRequest(arrival: .zero, adapter: 0, promptTokens: 8, outputTokens: 4))
        request.observation.mostTokens = 1000
        let prediction = EffectPrediction(
            ObservedWorkload([request]), live: Self.fleet(), candidate: Self.fleet())
        #expect(prediction.live.completed == 1)
        #expect((prediction.live[.latencyP50] ?? 9) < 0.2, "it ends with its fourth token")
    }

    @Test func aFitOfAHostIsUsedOnceItHasSeenEnough() {
        var estimates = CostEstimates()
        estimates.observations = 10
        #expect(SimulatedCosts(fitted: estimates) == nil)
        estimates.observations = 100
        estimates.perStep = 0.01
        estimates.mergeTime = .milliseconds(30)
        let costs = SimulatedCosts(fitted: estimates)
        #expect(costs?.seconds(of: StepWork()) == 0.01 && costs?.mergeTime == .milliseconds(30))
    }

    private final class OutcomeLog {
        var outcomes: [Int: SimulatedRequest] = [:]
    }
}

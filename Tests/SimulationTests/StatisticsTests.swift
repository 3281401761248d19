// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling
import Simulation
import TestSupport
import Testing
import Workloads

struct StatisticsTests {
    @Test func quantilesAreWithinOnePercent() throws {
        var random = SeededRandom(seed: 5)
        var histogram = LatencyHistogram()
        var values: [Double] = []
        for _ in 0..<5000 {
            let value = Double(random.below(1_000_000_000)) / Double(1 + random.below(100_000))
            values.append(value / 1e6)
            histogram.add(seconds: value / 1e6)
        }
        values.sort()
        for quantile in [0.01, 0.5, 0.9, 0.99, 1] {
            let exact = values[max(0, Int((quantile * 5000).rounded(.up)) - 1)]
            let found = try #require(histogram.quantile(quantile))
            #expect(abs(found - exact) <= 0.008 * exact + 2e-9)
        }
        let mean = try #require(histogram.mean)
        #expect(abs(mean - values.reduce(0, +) / 5000) < 1e-9 * mean)
        #expect(LatencyHistogram().quantile(0.5) == nil)
    }

    @Test func aTimelineKeepsAllTimeInFewIntervals() {
        var random = SeededRandom(seed: 6)
        var timeline = ModeIntervals()
        var sum = Duration.zero
        var now = Instant(nanoseconds: 0)
        for _ in 0..<20_000 {
            let time = Duration.nanoseconds(random.below(90_000_000))
            let mode: BatchMode = random.chance(50) ? .unmerged : .merged(AdapterID(rawValue: 1))
            timeline.add(mode, from: now, for: time)
            sum += time
            now = now.advanced(by: time)
        }
        #expect(timeline.intervals.count <= ModeIntervals.mostIntervals)
        #expect(timeline.intervals.count > ModeIntervals.mostIntervals / 4)
        #expect(timeline.intervals.reduce(.zero) { $0 + $1.sum } == sum)
        #expect(timeline.intervals.allSatisfy { $0.sum <= timeline.interval })
    }

    @Test func fairnessIsOneWhereAllWaitAlike() throws {
        func report(_ seconds: [Double]) -> SimulationReport {
            var report = SimulationReport(adapters: seconds.count)
            for (adapter, seconds) in seconds.enumerated() {
                let end = Instant(nanoseconds: Int64(seconds * 1e9))
                var request = SimulatedRequest(
                    index: adapter, outcome: .completed, adapter: adapter,
                    arrival: Instant(nanoseconds: 0), end: end)
                request.begin = request.arrival
                request.firstToken = end
                request.lastToken = end
                request.outputTokens = 1
                report.add(request)
            }
            return report
        }
        #expect(report([]).jainIndex == nil)
        #expect(try #require(report([2, 2, 2]).jainIndex) == 1)
        #expect(abs(try #require(report([1, 3]).jainIndex) - 0.8) < 1e-12)
    }
}

/// Prints how fast the simulator is; asserts nothing about time.
@Suite(.serialized)
struct SimulationSpeedTests {
    @Test(arguments: [1, 32])
    func requestsPerSecond(_ replicas: Int) {
        let setup = SimulationSetup.a800(replicas: replicas, adapters: 128)
        var workload = Workload.fixture(
            rate: 8 * Double(replicas), adapters: 128, count: 500, .skewed(stride: 1))
        workload.lengths = .independent(prompt: .uniform(16...256), output: .uniform(8...200))
        let began = ContinuousClock.now
        var simulation = Simulation(setup)
        var report = SimulationReport(adapters: 128)
        let summary = withUnsafeMutablePointer(to: &report) { report in
            simulation.run(workload.stream(seed: 1)) { report.pointee.add($0) }
        }
        let took = began.duration(to: .now).inSeconds
        print(
            "\(replicas) replicas: \(Int(500 / took)) requests/s,"
                + " \(Int(Double(summary.steps) / took)) steps/s,"
                + " \(Int(Double(report.outputTokens) / took)) tokens/s")
        #expect(summary.requests.completed == 500)
    }
}

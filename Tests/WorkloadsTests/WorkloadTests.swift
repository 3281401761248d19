// SPDX-License-Identifier: Apache-2.0

import Testing
import Workloads

struct WorkloadTests {
    private func workload(_ change: (inout Workload) -> Void) -> Workload {
        var workload = Workload()
        change(&workload)
        return workload
    }

    private static let popularities: [Popularity] = [
        .identical, .distinct, .uniform, .zipf(1), .skewed(stride: 8),
    ]

    @Test(arguments: popularities, ArrivalStreams.allCases)
    func theSameSeedGivesTheSameRequests(_ popularity: Popularity, _ streams: ArrivalStreams) {
        let workload = workload {
            $0.popularity = popularity
            $0.streams = streams
            $0.adapters = 12
            $0.arrivals = .gamma(cv: 3)
            $0.lengths = .independent(
                prompt: .logNormal(mean: 100, cv: 1), output: .uniform(1...50))
            $0.end = .count(500)
        }
        let requests = workload.requests(seed: 4)
        #expect(requests == workload.requests(seed: 4))
        #expect(requests != workload.requests(seed: 5))
        #expect(requests.count == 500)
        #expect(zip(requests, requests.dropFirst()).allSatisfy { $0.arrival <= $1.arrival })
        #expect(requests.allSatisfy { (0..<12).contains($0.adapter) && $0.promptTokens > 0 })
    }

    @Test(arguments: [ArrivalProcess.poisson, .gamma(cv: 2), .gamma(cv: 0.5), .constant])
    func theRateIsTheOneAskedFor(_ arrivals: ArrivalProcess) throws {
        for (popularity, adapters) in [(Popularity.identical, 1), (.zipf(1), 8)] {
            let workload = workload {
                $0.arrivals = arrivals
                $0.popularity = popularity
                $0.adapters = adapters
                $0.rate = 20
                $0.end = .duration(.seconds(2000))
            }
            let requests = workload.requests(seed: 21)
            // A renewal process has about cv² n as the variance of its count.
            #expect(abs(Double(requests.count) - 40_000) < 5 * 2 * 200)
            #expect(try #require(requests.last).arrival < .seconds(2000))
        }
    }

    @Test(arguments: [0.5, 1, 3])
    func gapsHaveTheirCoefficientOfVariation(_ cv: Double) {
        let workload = workload {
            $0.arrivals = .gamma(cv: cv)
            $0.end = .count(100_000)
        }
        let times = workload.requests(seed: 2).map { $0.arrival / .seconds(1) }
        let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        #expect(abs(mean - 1) < 0.05)
        #expect(abs(variance.squareRoot() / mean - cv) < 0.05 * cv)
    }

    /// The artifact of dLoRA reseeds each adapter's generator alike, so that all arrive at once.
    @Test func adaptersArriveIndependentlyOfEachOther() {
        let workload = workload {
            $0.adapters = 2
            $0.rate = 2
            $0.end = .count(2000)
        }
        let requests = workload.requests(seed: 8)
        let first = requests.filter { $0.adapter == 0 }.map { $0.arrival / .seconds(1) }
        let second = requests.filter { $0.adapter == 1 }.map { $0.arrival / .seconds(1) }
        let count = min(first.count, second.count)
        let same = (0..<count).filter { abs(first[$0] - second[$0]) < 1e-6 }
        #expect(count > 800 && same.isEmpty)
    }

    @Test func distinctRequestsTakeAdaptersInTurn() {
        let workload = workload {
            $0.popularity = .distinct
            $0.adapters = 3
            $0.end = .count(7)
        }
        #expect(workload.requests(seed: 1).map(\.adapter) == [0, 1, 2, 0, 1, 2, 0])
    }

    @Test func withoutAdaptersAllIsForTheBase() {
        let workload = workload {
            $0.adapters = 0
            $0.end = .count(20)
        }
        #expect(workload.requests(seed: 1).allSatisfy { $0.adapter == -1 })
    }

    @Test func functionsGoToAdaptersInGroupsOfTheStride() {
        let functions = FunctionCounts([1, 2, 4, 8, 16, 32, 64], source: "test")
        #expect(functions.counts == [64, 32, 16, 8, 4, 2, 1])
        #expect(Popularity.stride(1, of: functions).shares(of: 2).map { $0 * 127 } == [85, 42])
        #expect(Popularity.stride(2, of: functions).shares(of: 2).map { $0 * 127 } == [102, 25])
        #expect(Popularity.stride(3, of: functions).shares(of: 2).map { $0 * 127 } == [113, 14])
    }

    @Test func moreStrideIsMoreSkew() {
        let largest = [1, 4, 16, 64].map { Popularity.skewed(stride: $0).shares(of: 8).max() ?? 0 }
        #expect(largest == largest.sorted() && largest[0] < largest[3])
    }

    @Test(arguments: popularities)
    func requestsFollowTheShares(_ popularity: Popularity) {
        for streams in ArrivalStreams.allCases {
            let workload = workload {
                $0.popularity = popularity
                $0.adapters = 6
                $0.streams = streams
                $0.end = .count(60_000)
            }
            var counts = [Double](repeating: 0, count: 6)
            for request in workload.stream(seed: 7) { counts[request.adapter] += 1 }
            for (count, share) in zip(counts, popularity.shares(of: 6)) {
                #expect(abs(count / 60_000 - share) < 0.012)
            }
        }
    }

    @Test func lengthsHaveTheirMeansAndLimits() {
        let workload = workload {
            $0.lengths = .independent(
                prompt: .logNormal(mean: 200, cv: 0.8), output: .uniform(10...30))
            $0.end = .count(50_000)
        }
        let requests = workload.requests(seed: 3)
        let prompts = requests.reduce(0) { $0 + Double($1.promptTokens) } / 50_000
        let outputs = requests.reduce(0) { $0 + Double($1.outputTokens) } / 50_000
        #expect(abs(prompts - 200) < 5 && abs(outputs - 20) < 0.2)
        var limited = workload
        limited.limits = LengthLimits(prompt: 100, total: 110)
        for request in limited.stream(seed: 3) {
            #expect(request.promptTokens <= 100)
            #expect(request.promptTokens + request.outputTokens <= 110)
        }
    }

    @Test func changingTheArrivalsKeepsTheLengths() {
        let lengths = RequestLengths.independent(
            prompt: .uniform(1...1000), output: .uniform(1...1000))
        let calm = workload { $0.lengths = lengths }
        let bursty = workload {
            $0.lengths = lengths
            $0.arrivals = .gamma(cv: 4)
            $0.rate = 9
        }
        #expect(
            calm.requests(seed: 6).map(\.promptTokens)
                == bursty.requests(seed: 6).map(\.promptTokens))
    }
}

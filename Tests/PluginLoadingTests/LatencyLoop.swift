// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Scheduling
import TestSupport
import Testing

/// A machine whose iterations cost what its numbers say, in seconds, within 5 %; one of a hundred
/// takes twice as long.
struct SyntheticMachine: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var step = 0.0
    var promptToken = 0.0
    var row = 0.0
    var attended = 0.0
    var rankToken = 0.0
    var distinctRank = 0.0

    /// What any LoRA path costs, however many there are.
    var anyPath = 0.0
    var merge = 0.02

    static let rank = 16
    static let batch = 16

    /// As small models on processors are: adapters add a tenth to a full batch.
    static let processor = SyntheticMachine(
        testDescription: "processor", step: 8e-3, promptToken: 4e-4, row: 6e-4, attended: 2e-7,
        rankToken: 1e-6, distinctRank: 7e-6, merge: 0.06)

    /// As dLoRA's artifact takes its own for: 15 ms merged, 27 ms not, 20 ms to merge.
    static let flat = SyntheticMachine(
        testDescription: "flat", step: 15e-3, promptToken: 3e-5, anyPath: 12e-3)

    /// As the same with gathered kernels: 8 adapters in a batch add 80 %, one adds a tenth.
    static let linear = SyntheticMachine(
        testDescription: "linear", step: 14e-3, promptToken: 3e-5, row: 6e-5, attended: 1e-8,
        rankToken: 1e-6, distinctRank: 9e-5)

    /// Requests of the load's mean lengths per second that full unmerged batches of 8 adapters serve.
    func capacity(for load: MixedLoad) -> Double {
        let rows = Double(Self.batch)
        let ranks = rows * Double(Self.rank)
        let full =
            step + rows * (row + 100 * attended) + ranks * rankToken + ranks / 2 * distinctRank
            + anyPath
        let prompt = MixedLoad.meanPrompt * (promptToken + rankToken * Double(Self.rank))
        return 1 / ((4 + load.output) * full / rows + prompt)
    }

    func seconds(of plan: StepPlan) -> Double {
        var seconds = step
        var seen: Set<AdapterID> = []
        var correction = 0.0
        if case .mixed = plan.mode { correction = Double(Self.rank) }
        for entry in plan.entries {
            let tokens = Double(entry.tokens)
            seconds += (entry.tokens == 1 && entry.samples ? row : promptToken) * tokens
            seconds += attended * tokens * (Double(entry.position) + (tokens + 1) / 2)
            if entry.adapter == plan.mode.mergedAdapter { continue }
            seconds += rankToken * tokens * (Double(Self.rank) + correction)
            if seen.insert(entry.adapter).inserted {
                seconds += distinctRank * Double(Self.rank)
            }
        }
        return seen.isEmpty ? seconds : seconds + anyPath + distinctRank * correction
    }
}

/// Requests that come at random, on adapters of some popularity.
struct MixedLoad: Sendable, CustomTestStringConvertible {
    let testDescription: String

    /// Requests of each adapter, relative to others.
    let shares: [Double]

    /// Tokens that a request generates beyond 4, in the mean of an exponential distribution.
    var output = 25.0

    static let meanPrompt = 68.0

    /// 400 functions of Zipf popularity, so many next to each other for each of 8 adapters in turn
    /// (dLoRA §7.1).
    static func stride(_ stride: Int) -> MixedLoad {
        var shares = [Double](repeating: 0, count: 8)
        for function in 0..<400 { shares[function / stride % 8] += 1 / Double(function + 1) }
        return MixedLoad(testDescription: "stride \(stride)", shares: shares)
    }

    static let identical = MixedLoad(testDescription: "identical", shares: [1])
    static let uniform = MixedLoad(
        testDescription: "uniform", shares: [Double](repeating: 1, count: 8))
    static let zipf = MixedLoad(testDescription: "zipf", shares: (1...32).map { 1 / Double($0) })
    static let distinct = MixedLoad(
        testDescription: "distinct", shares: [Double](repeating: 1, count: 256))

    func requests(_ count: Int, perSecond rate: Double, seed: UInt64) -> [NewRequest] {
        var random = SeededRandom(seed: seed &* 7_919 &+ 13)
        func unit() -> Double { Double.random(in: 0..<1, using: &random) }
        let total = shares.reduce(0, +)
        var time = 0.0
        return (1...UInt64(count)).map { id in
            time += -log(1 - unit()) / rate
            var draw = unit() * total
            var adapter = 0
            while adapter < shares.count - 1, draw >= shares[adapter] {
                draw -= shares[adapter]
                adapter += 1
            }
            var request = NewRequest(
                id: RequestID(rawValue: id), adapter: AdapterID(rawValue: UInt32(adapter + 1)),
                arrival: Instant(nanoseconds: Int64(time * 1e9)),
                promptTokens: 8 + Int(min(400, -log(1 - unit()) * 60)))
            request.maximumTokens = 4 + Int(min(300, -log(1 - unit()) * output))
            return request
        }
    }
}

/// A replica on a virtual clock, with a host that builds copies for half of an iteration's time after
/// each.
struct LatencyLoop {
    private let machine: SyntheticMachine
    private var scheduler: ReplicaScheduler
    private var random: SeededRandom
    private var now = Instant(nanoseconds: 0)
    private var ends: [RequestID: Instant] = [:]
    private var building: (adapter: AdapterID, seconds: Double)?

    var counters: ReplicaCounters { scheduler.counters }

    init(_ machine: SyntheticMachine, policy: (any BatchingPolicy)?, seed: UInt64) {
        self.machine = machine
        random = SeededRandom(seed: seed &+ 99)
        let configuration = ReplicaConfiguration(
            id: ReplicaID(rawValue: 0), batchRequests: SyntheticMachine.batch, batchTokens: 512,
            pages: 20_000, adapterBytes: 1_000_000)
        var policies = ReplicaPolicies()
        policies.batching = policy.map { NamedPolicy(name: "tested", policy: $0) }
        scheduler = ReplicaScheduler(
            configuration, policies: policies, clock: { Instant(nanoseconds: 0) })
    }

    /// Serves them all.
    ///
    /// - Returns: the mean seconds from arrival to end, or `nil` where one never ended.
    mutating func meanLatency(of requests: [NewRequest]) -> Double? {
        for adapter in Set(requests.map(\.adapter)).sorted() {
            _ = scheduler.register(
                AdapterDescription(id: adapter, bytes: 10, rank: SyntheticMachine.rank), at: now)
        }
        var coming = requests[...]
        while true {
            while let next = coming.first, next.arrival <= now {
                submit(next)
                coming.removeFirst()
            }
            if step() { continue }
            guard let next = coming.first else { break }
            build(for: now.duration(to: next.arrival).inSeconds)
            now = next.arrival
        }
        var sum = 0.0
        for request in requests {
            guard let end = ends[request.id] else { return nil }
            sum += request.arrival.duration(to: end).inSeconds
        }
        return sum / Double(requests.count)
    }

    private mutating func submit(_ request: NewRequest) {
        _ = scheduler.submit(request, at: now)
        for action in scheduler.takeActions() {
            guard case .load(let id) = action else { continue }
            _ = scheduler.adapterLoaded(id, bytes: 10, time: .milliseconds(1), at: now)
        }
    }

    private mutating func step() -> Bool {
        guard let plan = scheduler.planStep(at: now) else { return false }
        for case .build(let id) in scheduler.takeMergeActions() { building = (id, machine.merge) }
        var seconds =
            machine.seconds(of: plan) * (0.95 + 0.1 * Double.random(in: 0..<1, using: &random))
        if random.chance(1) { seconds *= 2 }
        let merging = build(for: seconds / 2)
        now = now.advanced(by: .seconds(seconds + merging))
        let outcome = StepOutcome(
            number: plan.number, stepTime: .seconds(seconds), mergeTime: .seconds(merging))
        for id in scheduler.complete(outcome, at: now) { ends[id] = now }
        return true
    }

    /// - Returns: how much of the time was needed.
    @discardableResult
    private mutating func build(for seconds: Double) -> Double {
        guard let (adapter, left) = building else { return 0 }
        if left > seconds {
            building = (adapter, left - seconds)
            return seconds
        }
        building = nil
        scheduler.copyBuilt(adapter, bytes: 1_000, time: .seconds(machine.merge), at: now)
        return left
    }
}

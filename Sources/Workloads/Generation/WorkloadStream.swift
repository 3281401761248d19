// SPDX-License-Identifier: Apache-2.0

/// Makes the requests of a workload one after the other.
package struct WorkloadStream: Sequence, IteratorProtocol, Sendable {
    private let workload: Workload
    private var sources: [ArrivalSource]

    /// Positions in `sources`, the one whose request comes next first: a binary heap.
    private var order: [Int]
    private var choice: AdapterChoice
    private var lengths: RandomStream
    private var made = 0

    init(_ workload: Workload, seed: UInt64) {
        self.workload = workload
        lengths = RandomStream(seed: seed, stream: StreamNumber.lengths)
        choice = AdapterChoice(
            workload.popularity, of: workload.adapters,
            random: RandomStream(seed: seed, stream: StreamNumber.adapters))
        sources = []
        order = []
        for (adapter, share) in Self.shares(of: workload).enumerated() where share > 0 {
            let random = RandomStream(
                seed: seed, stream: StreamNumber.arrivals + UInt64(adapter))
            let rate = workload.rate * share
            guard rate > 0, rate.isFinite else { continue }
            sources.append(ArrivalSource(adapter, workload.arrivals, rate: rate, random: random))
            order.append(sources.count - 1)
        }
        for position in stride(from: order.count / 2, through: 0, by: -1) { sink(position) }
    }

    /// The share of the rate that each source has; one source where adapters share it.
    private static func shares(of workload: Workload) -> [Double] {
        guard workload.streams == .perAdapter, workload.adapters > 1 else { return [1] }
        switch workload.popularity {
        case .identical, .distinct: return [1]
        case .uniform, .zipf, .stride: return workload.popularity.shares(of: workload.adapters)
        }
    }

    private var drawsAdapters: Bool {
        guard workload.streams == .perAdapter else { return true }
        switch workload.popularity {
        case .identical, .distinct: return true
        case .uniform, .zipf, .stride: return workload.adapters <= 1
        }
    }

    package mutating func next() -> PlannedRequest? {
        guard let first = order.first else { return nil }
        if case .count(let count) = workload.end, made >= count { return nil }
        let time = sources[first].next
        if case .duration(let duration) = workload.end, time >= duration { return nil }
        let adapter = drawsAdapters ? choice.next() : sources[first].adapter
        sources[first].advance()
        sink(0)
        made += 1
        let pair = workload.lengths.draw(&lengths, within: workload.limits)
        return PlannedRequest(
            arrival: time, adapter: adapter, promptTokens: pair.prompt, outputTokens: pair.output)
    }

    /// Lets a position sink until both below it come later.
    private mutating func sink(_ start: Int) {
        var position = start
        while true {
            var first = position
            for child in [2 * position + 1, 2 * position + 2] where child < order.count {
                if comesBefore(order[child], order[first]) { first = child }
            }
            if first == position { return }
            order.swapAt(position, first)
            position = first
        }
    }

    private func comesBefore(_ left: Int, _ right: Int) -> Bool {
        sources[left].next != sources[right].next
            ? sources[left].next < sources[right].next : left < right
    }
}

/// The numbers of the random streams of one seed.
enum StreamNumber {
    static let lengths: UInt64 = 1
    static let adapters: UInt64 = 2
    static let arrivals: UInt64 = 1 << 32
}

/// The arrivals of one stream.
private struct ArrivalSource: Sendable {
    let adapter: Int
    private let process: ArrivalProcess
    private let meanGap: Double
    private var random: RandomStream
    private var seconds: Double

    init(_ adapter: Int, _ process: ArrivalProcess, rate: Double, random: RandomStream) {
        self.adapter = adapter
        self.process = process
        self.random = random
        meanGap = 1 / rate
        seconds = process.firstGap(&self.random) * meanGap
    }

    /// When its next request comes.
    var next: Duration { .nanoseconds(Int64(min(seconds * 1e9, 9e18))) }

    mutating func advance() { seconds += process.gap(&random) * meanGap }
}

/// Gives each request its adapter.
struct AdapterChoice: Sendable {
    private let popularity: Popularity
    private let adapters: Int
    private let weights: WeightedChoice
    private var random: RandomStream
    private var turn = -1

    init(_ popularity: Popularity, of adapters: Int, random: RandomStream) {
        self.popularity = popularity
        self.adapters = adapters
        self.random = random
        weights = WeightedChoice(popularity.shares(of: adapters))
    }

    mutating func next() -> Int {
        guard adapters > 0 else { return -1 }
        switch popularity {
        case .identical: return 0
        case .distinct:
            turn = (turn + 1) % adapters
            return turn
        case .uniform, .zipf, .stride: return weights.draw(&random)
        }
    }
}

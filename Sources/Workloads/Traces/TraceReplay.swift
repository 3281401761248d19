// SPDX-License-Identifier: Apache-2.0

/// The requests of a trace, with times and lengths scaled and adapters given where it names none.
package struct TraceReplay: Sendable, Equatable {
    package let path: String

    /// By how much the trace is sped up: 2 brings its requests in half the time.
    package var speed = 1.0

    /// What prompts and outputs are multiplied by.
    package var lengthScale = 1.0
    package var limits = LengthLimits()

    /// Who gets requests whose adapter the trace does not name.
    package var popularity = Popularity.uniform

    /// How many adapters there are; an index that the trace names is taken modulo this.
    package var adapters = 1

    /// The most requests that are replayed.
    package var count = Int.max

    package init(_ path: String) { self.path = path }

    /// Opens the trace; the seed draws adapters.
    package func open(seed: UInt64) throws(WorkloadError) -> Opened {
        Opened(
            self, try TraceReader(path),
            AdapterChoice(
                popularity, of: adapters,
                random: RandomStream(seed: seed, stream: StreamNumber.adapters)))
    }

    /// All requests, in order of arrival.
    package func requests(seed: UInt64) throws(WorkloadError) -> [PlannedRequest] {
        var requests: [PlannedRequest] = []
        var opened = try open(seed: seed)
        while let request = try opened.next() { requests.append(request) }
        return requests
    }

    /// A trace that is being replayed, in memory that does not grow with it.
    package struct Opened {
        private let replay: TraceReplay
        private let reader: TraceReader
        private var choice: AdapterChoice
        private var made = 0

        fileprivate init(_ replay: TraceReplay, _ reader: TraceReader, _ choice: AdapterChoice) {
            self.replay = replay
            self.reader = reader
            self.choice = choice
        }

        /// The next request, or `nil` behind the last.
        package mutating func next() throws(WorkloadError) -> PlannedRequest? {
            guard made < replay.count, let traced = try reader.next() else { return nil }
            made += 1
            let lengths = traced.lengths.scaled(by: replay.lengthScale, within: replay.limits)
            return PlannedRequest(
                arrival: scale(traced.arrival), adapter: adapter(of: traced),
                promptTokens: lengths.prompt, outputTokens: lengths.output)
        }

        private func scale(_ arrival: Duration) -> Duration {
            if replay.speed == 1 { return arrival }
            let nanoseconds = Double(arrival.nanoseconds) / replay.speed
            return .nanoseconds(Int64(min(max(0, nanoseconds.rounded()), 9e18)))
        }

        private mutating func adapter(of traced: TracedRequest) -> Int {
            guard let named = traced.adapter else { return choice.next() }
            return named < 0 || replay.adapters <= 0 ? -1 : named % replay.adapters
        }
    }
}

extension TraceReplay {
    /// The most pairs of lengths that are kept of a trace.
    static let mostPairs = 1 << 22

    /// The lengths of all requests of a trace.
    package static func lengths(in path: String) throws(WorkloadError) -> RecordedLengths {
        let reader = try TraceReader(path)
        var pairs: [LengthPair] = []
        while let request = try reader.next() {
            guard pairs.count < mostPairs else {
                throw WorkloadError("there are more than \(mostPairs) requests", file: path)
            }
            pairs.append(request.lengths)
        }
        guard let recorded = RecordedLengths(pairs, source: path) else {
            throw WorkloadError("there is no request", file: path)
        }
        return recorded
    }

    /// Every setting with its value, for a report; all scaling is among them.
    package var settings: [(name: String, value: String)] {
        var settings = [
            ("trace", path), ("speed", "\(speed)"), ("length scale", "\(lengthScale)"),
            ("adapters", "\(adapters)"), ("popularity", "\(popularity) where the trace names none"),
        ]
        if count != .max { settings.append(("requests", "at most \(count)")) }
        return settings
    }
}

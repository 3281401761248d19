// SPDX-License-Identifier: Apache-2.0

/// Which requests come when, as a specification: the same seed gives the same requests.
package struct Workload: Sendable, Equatable {
    /// When it is over.
    package enum End: Sendable, Equatable {
        /// After so many requests.
        case count(Int)

        /// With the last request that comes before this.
        case duration(Duration)
    }

    package var arrivals = ArrivalProcess.poisson
    package var streams = ArrivalStreams.perAdapter

    /// Requests per second over all adapters, above 0.
    package var rate = 1.0
    package var popularity = Popularity.uniform

    /// How many adapters requests may name; with 0 all are for the base model.
    package var adapters = 1
    package var lengths = RequestLengths.independent(prompt: .constant(32), output: .constant(32))
    package var limits = LengthLimits()
    package var end = End.count(100)

    package init() {}

    /// The requests one after the other, in memory that does not grow with their number.
    package func stream(seed: UInt64) -> WorkloadStream { WorkloadStream(self, seed: seed) }

    /// All requests, in order of arrival.
    package func requests(seed: UInt64) -> [PlannedRequest] { Array(stream(seed: seed)) }
}

extension Workload {
    /// Every setting with its value, for a report; all scaling is among them.
    package var settings: [(name: String, value: String)] {
        var settings = [
            ("arrivals", arrivals.description), ("streams", streams.rawValue),
            ("rate", "\(rate) requests/s"), ("adapters", "\(adapters)"),
            ("popularity", popularity.description), ("lengths", lengths.description),
        ]
        if case .stride(_, let functions) = popularity {
            settings.append(("functions", "\(functions.counts.count), \(functions.source)"))
        }
        if limits != LengthLimits() {
            settings.append(("limits", "prompt \(limits.prompt), total \(limits.total) tokens"))
        }
        switch end {
        case .count(let count): settings.append(("requests", "\(count)"))
        case .duration(let duration): settings.append(("duration", "\(duration)"))
        }
        return settings
    }
}

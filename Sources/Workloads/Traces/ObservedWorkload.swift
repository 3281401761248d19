// SPDX-License-Identifier: Apache-2.0

internal import StrictJSON

/// What a host knows of a request besides when it came and how long it is.
package struct RequestObservation: Sendable, Equatable {
    /// Who asked, by number, and their share of service.
    package var tenant: Int?
    package var weight: Double?

    /// How long after its arrival its first token should have been there.
    package var target: Duration?

    /// The most tokens that it asked for.
    package var mostTokens: Int?

    /// How long after its arrival its first and its last token were there.
    package var firstToken: Duration?
    package var latency: Duration?

    /// Whether it had not ended when it was recorded: its output is what there was until then.
    package var isUnfinished = false

    package init() {}
}

/// A request of a host, as it was recorded.
package struct ObservedRequest: Sendable, Equatable {
    package var planned: PlannedRequest
    package var observation: RequestObservation

    package init(_ planned: PlannedRequest, _ observation: RequestObservation = .init()) {
        self.planned = planned
        self.observation = observation
    }
}

/// The requests that a host had, in order of arrival.
package struct ObservedWorkload: Sendable, Equatable {
    /// A trace with more is refused.
    package static let mostRequests = 1 << 20

    package var requests: [ObservedRequest]

    package init(_ requests: [ObservedRequest]) { self.requests = requests }

    /// Reads a trace; requests whose adapter it does not name are for the base.
    package init(trace path: String) throws(WorkloadError) {
        let reader = try TraceReader(path)
        requests = []
        while let traced = try reader.next() {
            guard requests.count < Self.mostRequests else {
                throw WorkloadError("there are more than \(Self.mostRequests) requests", file: path)
            }
            requests.append(
                ObservedRequest(
                    PlannedRequest(
                        arrival: traced.arrival, adapter: traced.adapter ?? -1,
                        promptTokens: traced.lengths.prompt, outputTokens: traced.lengths.output),
                    traced.observation))
        }
        guard !requests.isEmpty else { throw WorkloadError("there is no request", file: path) }
    }

    /// How many adapters there are by the indexes that requests have.
    package var adapters: Int { 1 + (requests.map(\.planned.adapter).max() ?? -1) }
}

extension TraceLine {
    /// The keys that a line may have besides those of every trace.
    static let observed = [
        "tenant", "weight", "target", "most", "firstToken", "latency", "unfinished",
    ]

    /// The line of a request that was observed, without its end.
    package static func text(of request: ObservedRequest) -> String {
        var object = JSONObject()
        let planned = request.planned
        _ = object.append("at", .integer(Int(planned.arrival.nanoseconds)))
        _ = object.append("adapter", .integer(planned.adapter))
        _ = object.append("prompt", .integer(planned.promptTokens))
        _ = object.append("output", .integer(planned.outputTokens))
        let seen = request.observation
        for (key, value) in [
            ("tenant", seen.tenant), ("target", seen.target.map { Int($0.nanoseconds) }),
            ("most", seen.mostTokens), ("firstToken", seen.firstToken.map { Int($0.nanoseconds) }),
            ("latency", seen.latency.map { Int($0.nanoseconds) }),
        ] {
            if let value { _ = object.append(key, .integer(value)) }
        }
        if let weight = seen.weight { _ = object.append("weight", .number(weight)) }
        if seen.isUnfinished { _ = object.append("unfinished", .boolean(true)) }
        var writer = JSONWriter(reserving: 160)
        writer.value(.object(object))
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    static func observation(
        in object: JSONObject, of reader: LineReader
    ) throws(WorkloadError) -> RequestObservation {
        func integer(_ key: String, _ least: Int) throws(WorkloadError) -> Int? {
            guard let value = object[key] else { return nil }
            guard let number = value.exactInteger, number >= least else {
                throw reader.fault(
                    "'\(key)' is \(value.shown): expected a whole number from \(least)")
            }
            return number
        }
        var seen = RequestObservation()
        seen.tenant = try integer("tenant", 0)
        seen.mostTokens = try integer("most", 1)
        seen.target = try integer("target", 0).map { .nanoseconds($0) }
        seen.firstToken = try integer("firstToken", 0).map { .nanoseconds($0) }
        seen.latency = try integer("latency", 0).map { .nanoseconds($0) }
        if let value = object["weight"] {
            guard let weight = value.double, (0.001...1000).contains(weight) else {
                throw reader.fault("'weight' is \(value.shown): expected 0.001 to 1000")
            }
            seen.weight = weight
        }
        if case .boolean(let isUnfinished)? = object["unfinished"] {
            seen.isUnfinished = isUnfinished
        }
        return seen
    }
}

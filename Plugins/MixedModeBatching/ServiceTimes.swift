// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// For how long each request has run, so that the rest of its time is known for waiting.
struct ServiceTimes {
    private var ran: [RequestID: Duration] = [:]

    /// Adds the time of an iteration to the requests that were part of it.
    mutating func add(_ time: Duration, to served: [RequestSnapshot]) {
        for request in served { ran[request.id, default: .zero] += time }
    }

    /// How long a request has waited at `now`, all in all.
    func wait(of request: RequestSnapshot, at now: Instant) -> Duration {
        max(.zero, request.arrival.duration(to: now) - (ran[request.id] ?? .zero))
    }

    /// Forgets requests that have ended, now and then.
    mutating func keep(_ requests: Span<RequestSnapshot>) {
        guard ran.count > 2 * requests.count + 64 else { return }
        var kept: [RequestID: Duration] = [:]
        for index in requests.indices {
            if let time = ran[requests[index].id] { kept[requests[index].id] = time }
        }
        ran = kept
    }
}

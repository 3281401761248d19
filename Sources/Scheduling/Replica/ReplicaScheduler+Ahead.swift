// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// A request that has left the queue while a step still computes it: its pages and its claim on
/// the adapter stay until the last such step has ended.
struct Departure {
    enum Cause {
        /// It has all its tokens once the step has ended.
        case complete
        /// It ended otherwise; what is computed for it is not used.
        case ended
    }

    var snapshot: RequestSnapshot
    var isLeased: Bool
    var lastStep: Int
    var cause: Cause
}

// What planning ahead takes for granted, and what becomes of it.
extension ReplicaScheduler {
    /// Whether a step that was handed out computes the request.
    func isInFlight(_ slot: Int) -> Bool {
        inFlight.first.map { queue.record(slot).lastStep >= $0.number } ?? false
    }

    /// Lets the requests of the step under way stand as they will when it has ended, with so many
    /// of their drafts accepted.
    mutating func assume(accepted: [RequestID: Int] = [:]) {
        guard let step = inFlight.first, !step.isAssumed else { return }
        inFlight[0].isAssumed = true
        var complete: [Int] = []
        for entry in step.entries {
            guard let slot = queue.slot(of: entry.id) else { continue }
            let accepted = entry.accepted(accepted)
            queue.update(slot) { snapshot, _ in
                snapshot.computedTokens += entry.tokens - entry.drafts + accepted
                snapshot.phase = entry.samples ? .decoding : .prefilling
                if entry.samples { snapshot.generatedTokens += 1 + accepted }
            }
            let snapshot = queue.snapshot(slot)
            if entry.drafts > accepted { pages.trim(entry.id, to: snapshot.computedTokens) }
            if snapshot.generatedTokens >= snapshot.maximumTokens { complete.append(slot) }
        }
        depart(complete, .complete)
    }

    /// Takes requests that are in flight out of the queue.
    mutating func depart(_ slots: [Int], _ cause: Departure.Cause) {
        for slot in slots {
            let snapshot = queue.snapshot(slot)
            let record = queue.record(slot)
            departing[snapshot.id] = Departure(
                snapshot: snapshot, isLeased: record.isLeased, lastStep: record.lastStep,
                cause: cause)
        }
        queue.remove(slots)
    }

    /// Takes back what the requests held that ended with this step or during it.
    ///
    /// - Returns: those requests.
    mutating func release(_ step: StepInFlight, at now: Instant) -> [RequestID] {
        var released: [RequestID] = []
        for entry in step.entries {
            guard let departure = departing[entry.id], departure.lastStep <= step.number else {
                continue
            }
            departing[entry.id] = nil
            released.append(entry.id)
            release(departure.snapshot, isLeased: departure.isLeased, at: now)
        }
        forgetRetired()
        takeGrants()
        return released
    }

    /// Departures that no step keeps, with the numbers.
    func departureInconsistencies() -> [String] {
        departing.values.filter { departure in
            !inFlight.contains { $0.number == departure.lastStep }
                || queue.slot(of: departure.snapshot.id) != nil
        }.map {
            "request \($0.snapshot.id.rawValue) departs with step \($0.lastStep), under way are "
                + "\(inFlight.map(\.number))"
        }
    }
}

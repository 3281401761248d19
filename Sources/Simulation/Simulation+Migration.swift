// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Scheduling

// The order of calls is that of the host's engine.
extension Simulation {
    /// Has the dispatch policy say where adapters should lie, when it is time.
    mutating func place() {
        fleet.considerPlacement(at: now)
        for replica in fleet.takeTouched() { advance(replica.rawValue) }
    }

    /// Asks whether something should move, and moves what can.
    mutating func migrate() {
        guard replicas.count > 1 else { return }
        if let task = fleet.considerMigration(at: now) {
            solutions[task.ticket] = Result { () throws(PolicyError) in try task.solve() }
            let time = Duration.simulated(seconds: setup.costs.solveSeconds)
            events.add(.solved(ticket: task.ticket), on: 0, at: now.advanced(by: time))
        }
        guard fleet.isMigrating else { return }
        fleet.advanceMoves(at: now)
        for move in fleet.takeMoves() { note(move) }
        for replica in fleet.takeTouched() { advance(replica.rawValue) }
    }

    private mutating func note(_ move: CompletedMove) {
        if let onEvent, let request = live.request(move.request) {
            onEvent(
                .moved(
                    request: request.index, from: move.source.rawValue, to: move.target.rawValue,
                    way: move.way), now)
        }
        live.update(move.request) { request in
            request.replica = move.target.rawValue
            request.migrations += 1
            if move.way == .recompute { request.computed = 0 }
        }
        guard move.arrivesAfter > .zero else { return }
        events.add(
            .arrived(move.request), on: move.target.rawValue,
            at: now.advanced(by: move.arrivesAfter))
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PolicyKit
internal import Scheduling

// Requests and adapters that move between replicas. All of it happens on the loop, between steps; only
// solving a large plan has a thread of its own.
extension Engine {
    /// Lets the dispatch policy say where adapters should lie, as all that the manifest has are known.
    func beginPlacement() {
        placesAdapters = true
        advance()
    }

    /// Asks whether something should move, and moves what can.
    func migrate() {
        guard replicas.count > 1 else { return }
        let now = Self.now
        if placesAdapters { fleet.considerPlacement(at: now) }
        if let task = fleet.considerMigration(at: now) { solve(task) }
        if fleet.isMigrating { fleet.advanceMoves(at: now) }
        for move in fleet.takeMoves() { note(move) }
        for replica in fleet.takeTouched() { advance(replica.rawValue) }
        report(fleet.migrationStatus, replica: 0)
    }

    /// A plan has been solved, or could not be.
    func migrationSolved(_ ticket: Int, _ plan: Result<MigrationPlan, PolicyError>) {
        fleet.migrationSolved(ticket, plan, at: Self.now)
    }

    private func solve(_ task: MigrationTask) {
        let solver = solver ?? makeSolver()
        self.solver = solver
        solver.post(task)
    }

    private func makeSolver() -> JobThread<MigrationTask> {
        let post = poster
        return JobThread(name: "migration") { tasks in
            while let task = tasks.next() {
                let plan = Result { () throws(PolicyError) in try task.solve() }
                post(.solved(ticket: task.ticket, plan))
            }
        }
    }

    private func note(_ move: CompletedMove) {
        guard let generation = sequences[move.request]?.generation else { return }
        generation.replica = move.target.rawValue
        log.debug(
            """
            request \(move.request.rawValue) moved from replica \(move.source.rawValue) to \
            \(move.target.rawValue): \(move.way.rawValue), \(move.pages) KV pages
            """)
    }
}
